#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "common/vortex/codec.h"
#include "dfdaemon/transfer/tcp_stream.h"
#include "dfdaemon/transfer/upload_turns.h"
#include "dfdaemon/transfer/vortex_server.h"

namespace dragonfly::dfdaemon {

/// What all connections of a server share.
struct UploadContext {
  VortexServerOptions options;
  Storage& storage;
  RateLimiter& limiter;
  TransferMetrics& metrics;
  Logger log;
  BlockingPool& disk;
  UploadTurns& turns;
};

/// A peer that asks for pieces: one request after the other until it closes its side, which it may
/// do while a piece is still being sent. Runs on: the socket's executor.
class UploadConnection {
 public:
  /// `context` outlives the connection.
  UploadConnection(const UploadContext& context, TcpStream::Socket socket);

  /// Returns when the connection is over.
  Awaitable<> Run();

 private:
  class Arrivals;

  /// OutOfRange when the peer sends no more, which is the normal end; errors of the stream,
  /// InvalidArgument for a request that is none.
  Awaitable<absl::Status> ReadRequest();
  Awaitable<absl::Status> WaitForRequest();
  Awaitable<absl::Status> Answer();
  /// `arrivals`: null for a piece that is all here.
  Awaitable<absl::Status> SendPiece(PieceLocation piece, int content, Arrivals* arrivals);
  Awaitable<absl::Status> SendBytes(int content, std::uint64_t offset, std::uint64_t length);
  /// Tells the turns what the peer confirmed since the last call. Returns what is on its way.
  std::uint64_t CountConfirmed();
  /// Until nearly all that was sent has left this host, so that the next turn begins on a free
  /// link.
  Awaitable<> Drain();
  Awaitable<absl::Status> SendError(VortexErrorCode code, std::string_view message);
  /// Until the bytes are in the page cache.
  Awaitable<> Read(int content, std::uint64_t offset, std::uint64_t length,
                   std::uint64_t rest_of_piece);

  void UseTask();
  void ReleaseTask();
  [[nodiscard]] std::size_t WriteHead(const PieceLocation& piece);
  [[nodiscard]] std::string PieceName() const;
  void LogEnd(const absl::Status& status) const;

  const UploadContext& context_;
  TcpStream stream_;

  // Received, of which the first request_bytes_ are the request being answered.
  std::array<std::byte, 4 * kVortexRequestBytes> in_;
  std::size_t in_bytes_ = 0;
  std::size_t request_bytes_ = 0;
  SteadyTime request_deadline_;
  TaskKind kind_ = TaskKind::kStandard;
  VortexRequest request_;  // Points into in_.

  // Of the last request: a peer mostly asks for many pieces of one task. Pinned meanwhile.
  std::shared_ptr<StoredTask> task_;
  std::shared_ptr<void> pin_;

  // Of the piece that is being sent, bytes.
  std::uint64_t sent_ = 0;
  std::uint64_t confirmed_ = 0;

  std::array<std::byte, 512> out_;
  std::uint8_t next_id_ = 0;
};

}  // namespace dragonfly::dfdaemon
