#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dfdaemon/source/origin_sink.h"
#include "dfdaemon/source/source.h"

namespace dragonfly::dfdaemon {

/// A file without a name. Not thread-safe; every member blocks on the disk.
class SpoolFile final : public SpooledContent {
 public:
  /// Internal, naming the directory, when it cannot be made.
  static absl::StatusOr<std::unique_ptr<SpoolFile>> Create(const std::string& directory);
  ~SpoolFile() override;
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  [[nodiscard]] std::uint64_t length() const override { return length_; }
  absl::Status CopyTo(std::uint64_t piece_length, PieceSequence& pieces) override;

  /// Writes behind what is there. ResourceExhausted when the disk is full.
  absl::Status Append(std::span<const std::byte> bytes);
  void Clear() { length_ = 0; }

 private:
  explicit SpoolFile(int fd) : fd_(fd) {}

  const int fd_;
  std::uint64_t length_ = 0;
};

/// The whole content of unknown length, into a spool file.
class SpoolSink final : public OriginSink {
 public:
  SpoolSink(const std::vector<RateLimiter*>& limiters, std::uint64_t length_max, SpoolFile& file)
      : OriginSink(limiters), length_max_(length_max), file_(file) {}

 private:
  absl::Status Accept(const HttpClientResponse& head) override;
  absl::Status Take(std::span<const std::byte> bytes) override;

  const std::uint64_t length_max_;
  SpoolFile& file_;
};

}  // namespace dragonfly::dfdaemon
