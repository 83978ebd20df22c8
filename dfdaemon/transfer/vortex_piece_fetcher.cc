#include "dfdaemon/transfer/vortex_piece_fetcher.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/post.hpp>

#include "common/async/run_on.h"
#include "common/async/sleep.h"
#include "common/async/task_group.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "common/vortex/codec.h"
#include "dfdaemon/transfer/connection_pool.h"

namespace dragonfly::dfdaemon {
namespace {

using tcp = asio::ip::tcp;

constexpr auto kSweepEvery = std::chrono::seconds(1);
// Received from one connection before it is another one's turn.
constexpr std::uint64_t kTurnBytes = kMiB;

SteadyTime Now() { return std::chrono::steady_clock::now(); }

// What a parent says before the bytes.
struct Announcement {
  std::optional<std::uint32_t> crc32;
  PeerId parent_id;
  bool coming = false;  // The parent does not have all of it yet.
};

absl::Status StatusOf(const VortexError& error) {
  const std::string text = StrCat("parent answered: ", error.message);
  if (error.code == VortexErrorCode::kNotFound) return absl::NotFoundError(text);
  return absl::UnavailableError(text);
}

absl::StatusOr<Announcement> CheckPlan(const VortexMetadata& metadata, const PieceSink& sink) {
  if (metadata.number != sink.number() || metadata.offset != sink.offset() ||
      metadata.length != sink.length()) {
    return absl::DataLossError(StrCat(
        "parent sends piece ", metadata.number, " at ", metadata.offset, " of ", metadata.length,
        " bytes instead of ", sink.number(), " at ", sink.offset(), " of ", sink.length()));
  }
  Announcement announcement;
  announcement.parent_id = PeerId(metadata.parent_id);
  announcement.coming = metadata.created_at_seconds == 0;
  if (metadata.digest.empty()) return announcement;
  announcement.crc32 = ParsePieceDigest(metadata.digest);
  if (!announcement.crc32.has_value()) {
    return absl::DataLossError("parent sends a digest that is no crc32");
  }
  return announcement;
}

// Reads exactly header and metadata: the piece stays in the socket, so that its first byte comes
// first in the buffer and writes to the file are aligned. `began` becomes true with the first byte.
Awaitable<absl::StatusOr<Announcement>> ReadAnswer(ParentConnection& connection, TaskKind kind,
                                                   const PieceSink& sink, bool& began) {
  std::vector<std::byte>& head = connection.head();
  connection.SetLowWater(1);
  std::size_t have = 0;
  std::variant<VortexMetadata, VortexError> answer;
  while (true) {
    const auto parse = VortexParser().ParseAnswer(std::span(head).first(have), kind, answer);
    if (parse.state == VortexParse::State::kBad) {
      co_return absl::DataLossError(StrCat("parent's answer: ", parse.reason));
    }
    if (parse.state == VortexParse::State::kDone) break;
    if (head.size() < parse.wanted) head.resize(parse.wanted);
    const ssize_t got =
        ::recv(connection.stream().fd(), head.data() + have, parse.wanted - have, MSG_DONTWAIT);
    if (got > 0) {
      began = true;
      have += static_cast<std::size_t>(got);
    } else if (got == 0) {
      co_return absl::UnavailableError("parent closed before its answer ended");
    } else if (errno == EAGAIN) {
      CO_RETURN_IF_ERROR(Annotate(co_await connection.stream().WaitReadable(), "wait for answer"));
    } else if (errno != EINTR) {
      co_return SocketError(errno, "read answer");
    }
  }
  if (const auto* error = std::get_if<VortexError>(&answer)) co_return StatusOf(*error);
  co_return CheckPlan(std::get<VortexMetadata>(answer), sink);
}

// A parent that is asked no more learns it at once: an orderly end would only mean that nothing
// further is asked, and the piece would still be sent.
class ResetUnlessKept {
 public:
  explicit ResetUnlessKept(std::unique_ptr<ParentConnection>& connection)
      : connection_(connection) {}
  ResetUnlessKept(const ResetUnlessKept&) = delete;
  ResetUnlessKept& operator=(const ResetUnlessKept&) = delete;
  ~ResetUnlessKept() {
    if (connection_ == nullptr) return;
    constexpr linger kAtOnce{.l_onoff = 1, .l_linger = 0};
    (void)::setsockopt(connection_->stream().fd(), SOL_SOCKET, SO_LINGER, &kAtOnce,
                       sizeof(kAtOnce));
  }

 private:
  std::unique_ptr<ParentConnection>& connection_;
};

Awaitable<absl::StatusOr<Announcement>> Ask(ParentConnection& connection, TaskKind kind,
                                            const TaskId& task, const PieceSink& sink,
                                            bool& began) {
  std::array<std::byte, kVortexRequestBytes> request;
  WriteVortexRequest(static_cast<std::uint8_t>(sink.number()), VortexRequestTag(kind),
                     {task.str(), sink.number()}, request);
  CO_RETURN_IF_ERROR(Annotate(co_await connection.stream().SendAll(request, 0), "ask for piece"));
  co_return co_await ReadAnswer(connection, kind, sink, began);
}

}  // namespace

class VortexPieceFetcher::Impl {
 public:
  Impl(VortexFetcherOptions options, RateLimiter& download, TransferMetrics& metrics,
       Runtime& data);

  Awaitable<absl::StatusOr<FetchedPiece>> Fetch(VortexAddress parent, TaskKind kind, TaskId task,
                                                PieceSink& sink);
  Awaitable<> Stop();

 private:
  // What belongs to one executor.
  struct Shard {
    Shard(asio::any_io_executor serial, ConnectionPool::Options pool_options)
        : executor(std::move(serial)), pool(pool_options), group(executor) {}
    const asio::any_io_executor executor;
    ConnectionPool pool;
    std::vector<std::byte> buffer;  // Used between two waits only, so one does for all pieces.
    bool sweeping = false;
    TaskGroup group;
  };
  using Connection = std::unique_ptr<ParentConnection>;

  Awaitable<absl::StatusOr<FetchedPiece>> FetchOn(Shard& shard, VortexAddress parent, TaskKind kind,
                                                  TaskId task, PieceSink& sink);
  Awaitable<absl::StatusOr<Announcement>> AskOnAny(Shard& shard, VortexAddress parent,
                                                   TaskKind kind, const TaskId& task,
                                                   const PieceSink& sink, Connection& connection);
  Awaitable<absl::StatusOr<Connection>> Connect(Shard& shard, VortexAddress parent,
                                                SteadyTime deadline);
  Awaitable<absl::Status> Receive(Shard& shard, ParentConnection& connection, PieceWriter& writer);
  void Keep(Shard& shard, const VortexAddress& parent, Connection connection);
  Awaitable<> Sweep(Shard& shard);
  Awaitable<> Close(Shard& shard);

  const VortexFetcherOptions options_;
  RateLimiter& download_;
  TransferMetrics& metrics_;
  Runtime& data_;
  std::vector<std::unique_ptr<Shard>> shards_;  // One per executor of data_.
};

VortexPieceFetcher::Impl::Impl(VortexFetcherOptions options, RateLimiter& download,
                               TransferMetrics& metrics, Runtime& data)
    : options_(options), download_(download), metrics_(metrics), data_(data) {
  const ConnectionPool::Options pool{.max_per_parent = options_.max_idle_per_parent,
                                     .max_total = options_.max_idle,
                                     .max_idle = options_.idle_timeout};
  for (std::size_t i = 0; i < data_.size(); ++i) {
    shards_.push_back(std::make_unique<Shard>(data_.executor(i), pool));
  }
}

Awaitable<absl::StatusOr<FetchedPiece>> VortexPieceFetcher::Impl::Fetch(VortexAddress parent,
                                                                        TaskKind kind, TaskId task,
                                                                        PieceSink& sink) {
  const auto here = co_await asio::this_coro::executor;
  for (const auto& shard : shards_) {
    if (shard->executor == here) {
      co_return co_await FetchOn(*shard, std::move(parent), kind, std::move(task), sink);
    }
  }
  Shard& shard = *shards_[sink.number() % shards_.size()];
  co_return co_await RunOn(shard.executor,
                           FetchOn(shard, std::move(parent), kind, std::move(task), sink));
}

Awaitable<absl::StatusOr<FetchedPiece>> VortexPieceFetcher::Impl::FetchOn(
    Shard& shard, VortexAddress parent, TaskKind kind, TaskId task, PieceSink& sink) {
  if (task.str().size() != kVortexTaskIdBytes) {
    co_return absl::InvalidArgumentError("task ids of other than 64 bytes do not fit a request");
  }
  Connection connection;
  // Declared after the connection: acts before it is closed.
  ResetUnlessKept reset(connection);
  const auto announcement = co_await AskOnAny(shard, parent, kind, task, sink, connection);
  if (!announcement.ok()) {
    // An answer that was read to its end leaves the connection as good as new.
    if (absl::IsNotFound(announcement.status())) Keep(shard, parent, std::move(connection));
    co_return announcement.status();
  }
  PieceWriter* const writer = sink.Begin(announcement->crc32);
  if (writer == nullptr) co_return absl::CancelledError("the piece comes from elsewhere");
  if (writer->written() > 0) writer->Restart();
  if (absl::Status received = co_await Receive(shard, *connection, *writer); !received.ok()) {
    // It may have lost its own parent: nothing that it could be blamed for.
    if (announcement->coming && absl::IsUnavailable(received)) {
      co_return absl::NotFoundError(
          StrCat("the piece stopped coming to the parent: ", received.message()));
    }
    co_return received;
  }
  const std::uint32_t crc32 = writer->crc32();
  if (announcement->crc32.value_or(crc32) != crc32) {
    co_return absl::DataLossError(
        StrCat("piece has crc32 ", crc32, ", parent promised ", *announcement->crc32));
  }
  metrics_.PieceReceived(kind, sink.length());
  Keep(shard, parent, std::move(connection));
  co_return FetchedPiece{.crc32 = crc32,
                         .verified = announcement->crc32.has_value(),
                         .parents_parent_id = announcement->parent_id};
}

Awaitable<absl::StatusOr<Announcement>> VortexPieceFetcher::Impl::AskOnAny(
    Shard& shard, VortexAddress parent, TaskKind kind, const TaskId& task, const PieceSink& sink,
    Connection& connection) {
  const SteadyTime deadline = Now() + options_.piece_timeout;
  bool began = false;
  connection = shard.pool.Take(parent, Now());
  if (connection != nullptr) {
    connection->stream().ExpireAt(deadline);
    auto announcement = co_await Ask(*connection, kind, task, sink, began);
    if (announcement.ok() || began || !absl::IsUnavailable(announcement.status())) {
      co_return announcement;
    }
    // The parent had closed it for being idle, so the others as well.
    shard.pool.Forget(parent);
  }
  CO_ASSIGN_OR_RETURN(connection, co_await Connect(shard, parent, deadline));
  co_return co_await Ask(*connection, kind, task, sink, began);
}

Awaitable<absl::StatusOr<VortexPieceFetcher::Impl::Connection>> VortexPieceFetcher::Impl::Connect(
    Shard& shard, VortexAddress parent, SteadyTime deadline) {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(parent.ip, error);
  if (error) co_return absl::InvalidArgumentError(StrCat("no IP address: ", parent.ip));
  const tcp::endpoint endpoint(ip, parent.port);
  tcp::socket socket(shard.executor);
  (void)socket.open(endpoint.protocol(), error);
  if (error) co_return absl::UnavailableError(StrCat("open socket: ", error.message()));
  const int fd = socket.native_handle();
  Tune(fd, {.receive_buffer_bytes = options_.receive_buffer_bytes});
  if (options_.tcp_fastopen) {
    constexpr int kOn = 1;
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &kOn, sizeof(kOn));
  }
  auto connection = std::make_unique<ParentConnection>(std::move(socket));
  connection->stream().ExpireAt(std::min(deadline, Now() + options_.connect_timeout));
  CO_RETURN_IF_ERROR(
      Annotate(co_await connection->stream().Connect(endpoint), "connect to parent"));
  connection->stream().ExpireAt(deadline);
  co_return connection;
}

Awaitable<absl::Status> VortexPieceFetcher::Impl::Receive(Shard& shard,
                                                          ParentConnection& connection,
                                                          PieceWriter& writer) {
  TcpStream& stream = connection.stream();
  if (shard.buffer.empty()) shard.buffer.resize(options_.buffer_bytes);
  SteadyTime deadline = Now() + options_.write_timeout;
  stream.ExpireAt(deadline);
  std::uint64_t rest = writer.length();
  std::uint64_t allowed = 0;  // By the limiter.
  std::uint64_t turn = 0;
  while (rest > 0) {
    std::uint64_t wanted = std::min<std::uint64_t>(rest, shard.buffer.size());
    if (!download_.unlimited()) {
      if (allowed == 0) {
        const SteadyTime before = Now();
        co_await download_.Acquire(wanted);
        allowed = wanted;
        // Our own brake is not the parent's fault.
        deadline += Now() - before;
        stream.ExpireAt(deadline);
      }
      wanted = std::min(wanted, allowed);
    }
    const ssize_t got = ::recv(stream.fd(), shard.buffer.data(), wanted, MSG_DONTWAIT);
    if (got == 0) {
      co_return absl::UnavailableError(StrCat("parent closed ", rest, " bytes before the end"));
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) co_return SocketError(errno, "receive piece");
    const auto size = static_cast<std::uint64_t>(std::max<ssize_t>(got, 0));
    if (size > 0) {
      CO_RETURN_IF_ERROR(writer.Append(std::span(shard.buffer).first(size)));
      rest -= size;
      allowed -= std::min(allowed, size);
      turn += size;
    }
    if (rest == 0) break;
    if (size < wanted) {
      // Nothing is left to be read.
      turn = 0;
      connection.SetLowWater(std::min<std::uint64_t>(rest, options_.low_water_bytes));
      CO_RETURN_IF_ERROR(Annotate(co_await stream.WaitReadable(), "receive piece"));
    } else if (turn >= kTurnBytes) {
      turn = 0;
      co_await asio::post(shard.executor, asio::use_awaitable);
      if (stream.expired()) co_return absl::DeadlineExceededError("receive piece: timed out");
    }
  }
  co_return absl::OkStatus();
}

void VortexPieceFetcher::Impl::Keep(Shard& shard, const VortexAddress& parent,
                                    Connection connection) {
  shard.pool.Put(parent, std::move(connection), Now());
  if (shard.sweeping || shard.pool.size() == 0) return;
  shard.sweeping = true;
  shard.group.Spawn(Sweep(shard));
}

Awaitable<> VortexPieceFetcher::Impl::Sweep(Shard& shard) {
  while (shard.pool.size() > 0) {
    co_await SleepFor(kSweepEvery);
    shard.pool.Sweep(Now());
  }
  shard.sweeping = false;
}

Awaitable<> VortexPieceFetcher::Impl::Close(Shard& shard) {
  shard.pool.Close();
  co_return;
}

Awaitable<> VortexPieceFetcher::Impl::Stop() {
  for (const auto& shard : shards_) {
    co_await shard->group.Stop();
    co_await RunOn(shard->executor, Close(*shard));
  }
}

VortexPieceFetcher::VortexPieceFetcher(VortexFetcherOptions options, RateLimiter& download,
                                       TransferMetrics& metrics, Runtime& data)
    : impl_(std::make_unique<Impl>(options, download, metrics, data)) {}

VortexPieceFetcher::~VortexPieceFetcher() = default;

Awaitable<absl::StatusOr<FetchedPiece>> VortexPieceFetcher::Fetch(VortexAddress parent,
                                                                  TaskKind kind, TaskId task,
                                                                  PieceSink& sink) {
  return impl_->Fetch(std::move(parent), kind, std::move(task), sink);
}

Awaitable<> VortexPieceFetcher::Stop() { return impl_->Stop(); }

}  // namespace dragonfly::dfdaemon
