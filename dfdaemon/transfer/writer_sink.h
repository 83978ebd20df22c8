#pragma once

#include "dfdaemon/transfer/piece_fetcher.h"

namespace dragonfly::dfdaemon {

/// For a piece that one parent alone is asked for: takes whatever it begins to send.
class WriterSink final : public PieceSink {
 public:
  explicit WriterSink(PieceWriter& writer) : writer_(writer) {}

  [[nodiscard]] PieceNumber number() const override { return writer_.number(); }
  [[nodiscard]] std::uint64_t offset() const override { return writer_.offset(); }
  [[nodiscard]] std::uint64_t length() const override { return writer_.length(); }
  PieceWriter* Begin(std::optional<std::uint32_t> /*promised_crc32*/) override { return &writer_; }

 private:
  PieceWriter& writer_;
};

}  // namespace dragonfly::dfdaemon
