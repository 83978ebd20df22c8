#pragma once

#include <cstdint>

#include "common/base/types.h"

namespace dragonfly::dfdaemon {

/// What the transfer of pieces counts. Called on the threads of the `data` runtime, so it must be
/// thread-safe and must not block. Names of the metrics are in dfdaemon/stats.
class TransferMetrics {
 public:
  virtual ~TransferMetrics() = default;

  /// A peer asked for a piece. One of the next two follows.
  virtual void UploadStarted() = 0;
  /// The whole piece was handed to the kernel.
  virtual void UploadFinished(TaskKind kind, std::uint64_t bytes) = 0;
  /// It is not here, could not be read, or the peer left.
  virtual void UploadFailed(TaskKind kind) = 0;

  /// A whole piece came from a parent and its checksum held.
  virtual void PieceReceived(TaskKind kind, std::uint64_t bytes) = 0;
};

class NullTransferMetrics final : public TransferMetrics {
 public:
  void UploadStarted() override {}
  void UploadFinished(TaskKind, std::uint64_t) override {}
  void UploadFailed(TaskKind) override {}
  void PieceReceived(TaskKind, std::uint64_t) override {}
};

}  // namespace dragonfly::dfdaemon
