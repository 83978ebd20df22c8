#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"

namespace dragonfly {

/// A connection as bytes. Belongs to one executor; one reader and one writer at a time. Destroying
/// it closes the connection.
///
/// Errors: Cancelled when the other side is gone or Cancel() was called, DataLoss for broken TLS.
class HttpStream {
 public:
  virtual ~HttpStream() = default;

  /// Bytes read, at least one; 0 when the other side has ended its direction.
  virtual Awaitable<absl::StatusOr<std::size_t>> ReadSome(std::span<std::byte> out) = 0;

  /// Writes everything. `more` tells the kernel that further bytes follow at once.
  enum class Push : std::uint8_t { kNow, kMoreFollows };
  virtual Awaitable<absl::Status> Write(std::span<const std::byte> bytes, Push push) = 0;
  /// Writes a region of a file. DataLoss when the file ends early.
  virtual Awaitable<absl::Status> WriteFile(int fd, std::uint64_t offset, std::uint64_t length,
                                            Push push) = 0;

  /// Returns when the other side closed its direction or broke the connection, and never while
  /// unread bytes wait. Cancel the caller to end it.
  virtual Awaitable<> WaitClosed() = 0;

  /// Bytes moved so far in both directions; for stall detection.
  [[nodiscard]] virtual std::uint64_t progress() const = 0;

  /// Ends our direction; the other side reads an end of file.
  virtual Awaitable<> ShutdownWrite() = 0;
  /// Ends what is awaited with Cancelled and closes; later calls fail at once.
  virtual void Cancel() = 0;
  /// The same, and the other side sees an error instead of an end.
  virtual void Abort() = 0;
};

/// Opens a TCP connection to a host name or numeric address (without brackets), trying its addresses
/// in turn. Unavailable with the reason; DeadlineExceeded.
Awaitable<absl::StatusOr<std::unique_ptr<HttpStream>>> ConnectTcp(std::string host,
                                                                  std::uint16_t port,
                                                                  std::chrono::milliseconds timeout);

/// Copies bytes both ways until both sides have ended, one of them breaks, or nothing moved for
/// `idle`. 64 KiB of memory for each direction.
Awaitable<> JoinStreams(HttpStream& a, HttpStream& b, std::chrono::milliseconds idle);

}  // namespace dragonfly
