#include "dfdaemon/transfer/upload_connection.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>

#include "absl/hash/hash.h"
#include "common/async/notifier.h"
#include "common/async/sleep.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "dfdaemon/storage/page_cache.h"

namespace dragonfly::dfdaemon {
namespace {

// A connection without requests lets go of its task after this time, so that it can be collected.
constexpr auto kHoldTask = std::chrono::seconds(1);
// Read from the disk beyond what is sent next.
constexpr std::uint64_t kReadAhead = 4 * kMiB;
// Of the link's time, left to send when the next turn may begin: the gap until its first byte.
constexpr double kHandOverSeconds = 0.010;
// The peer takes nothing any more: the next turn does not wait for it.
constexpr auto kDrainStall = std::chrono::milliseconds(500);

SteadyTime Now() { return std::chrono::steady_clock::now(); }

// Of a piece that is only coming, the last bytes are kept back until its checksum was found right:
// nobody ever has a whole piece that this host would not hand out.
constexpr std::uint64_t kKeptBack = 64 * kKiB;
// A peer that left while nothing could be sent is noticed so late.
constexpr auto kLookAfterPeer = std::chrono::milliseconds(200);

// Counts an upload that was started and not finished as failed, also when it is cancelled.
class UploadTally {
 public:
  UploadTally(TransferMetrics& metrics, TaskKind kind) : metrics_(metrics), kind_(kind) {
    metrics_.UploadStarted();
  }
  ~UploadTally() {
    if (!finished_) metrics_.UploadFailed(kind_);
  }
  UploadTally(const UploadTally&) = delete;
  UploadTally& operator=(const UploadTally&) = delete;

  void Finished(std::uint64_t bytes) {
    finished_ = true;
    metrics_.UploadFinished(kind_, bytes);
  }

 private:
  TransferMetrics& metrics_;
  const TaskKind kind_;
  bool finished_ = false;
};

}  // namespace

// What may be sent of a piece that a parent is still sending to this host.
class UploadConnection::Arrivals {
 public:
  Arrivals(TcpStream& stream, const UploadTurns::Turn& turn, std::shared_ptr<ComingPiece> piece)
      : stream_(stream),
        turn_(turn),
        piece_(std::move(piece)),
        changed_(stream.socket().get_executor()),
        watch_(piece_, [changed = changed_]() mutable { changed.NotifyFromAnyThread(); }) {}

  // Waits until more than the first `sent` bytes may be sent; returns how many more. NotFound when
  // the piece does not come after all; Unavailable when the peer has left; DeadlineExceeded when
  // nothing came for `patience`.
  Awaitable<absl::StatusOr<std::uint64_t>> Beyond(std::uint64_t sent, Duration patience) {
    const SteadyTime deadline = Now() + patience;
    while (true) {
      const auto version = changed_.version();
      const std::uint64_t may_be_sent = Allowed();
      if (may_be_sent == piece_->location().length && !std::exchange(whole_, true)) turn_.Whole();
      if (may_be_sent > sent) co_return may_be_sent - sent;
      if (piece_->progress().state == ComingPiece::State::kLost) {
        co_return absl::NotFoundError("the piece stopped coming");
      }
      if (stream_.broken()) co_return absl::UnavailableError("the peer broke the connection");
      const SteadyTime now = Now();
      if (now >= deadline) co_return absl::DeadlineExceededError("the piece does not come");
      (void)co_await changed_.WaitPast(version, std::min(deadline, now + kLookAfterPeer));
    }
  }

 private:
  [[nodiscard]] std::uint64_t Allowed() const {
    const ComingPiece::Progress progress = piece_->progress();
    const std::uint64_t length = piece_->location().length;
    if (progress.state == ComingPiece::State::kFinished) return length;
    return std::min(progress.written, length - std::min(length, kKeptBack));
  }

  TcpStream& stream_;
  const UploadTurns::Turn& turn_;
  bool whole_ = false;
  const std::shared_ptr<ComingPiece> piece_;
  Notifier changed_;
  const ComingPiece::Watch watch_;
};

UploadConnection::UploadConnection(const UploadContext& context, TcpStream::Socket socket)
    : context_(context), stream_(std::move(socket)) {}

Awaitable<> UploadConnection::Run() {
  absl::Status status;
  do {
    status = co_await ReadRequest();
    if (status.ok()) status = co_await Answer();
  } while (status.ok());
  LogEnd(status);
}

void UploadConnection::LogEnd(const absl::Status& status) const {
  if (absl::IsOutOfRange(status) || !context_.log.Enabled(LogLevel::kDebug)) return;
  context_.log.Debug("vortex connection ended", {{"error", status}});
}

Awaitable<absl::Status> UploadConnection::ReadRequest() {
  std::memmove(in_.data(), in_.data() + request_bytes_, in_bytes_ - request_bytes_);
  in_bytes_ -= std::exchange(request_bytes_, 0);
  request_deadline_ = Now() + context_.options.request_timeout;
  while (true) {
    const auto parse =
        VortexParser().ParseRequest(std::span(in_).first(in_bytes_), kind_, request_);
    if (parse.state == VortexParse::State::kBad) {
      co_return absl::InvalidArgumentError(StrCat("read request: ", parse.reason));
    }
    if (parse.state == VortexParse::State::kDone) {
      request_bytes_ = parse.consumed;
      co_return absl::OkStatus();
    }
    const ssize_t got =
        ::recv(stream_.fd(), in_.data() + in_bytes_, in_.size() - in_bytes_, MSG_DONTWAIT);
    if (got > 0) {
      if (in_bytes_ == 0) request_deadline_ = Now() + context_.options.request_timeout;
      in_bytes_ += static_cast<std::size_t>(got);
    } else if (got == 0) {
      co_return in_bytes_ == 0 ? absl::OutOfRangeError("no more requests")
                               : absl::UnavailableError("read request: peer closed half-way");
    } else if (errno == EAGAIN) {
      CO_RETURN_IF_ERROR(Annotate(co_await WaitForRequest(), "read request"));
    } else if (errno != EINTR) {
      co_return SocketError(errno, "read request");
    }
  }
}

Awaitable<absl::Status> UploadConnection::WaitForRequest() {
  if (in_bytes_ > 0) {
    stream_.ExpireAt(request_deadline_);
    co_return co_await stream_.WaitReadable();
  }
  if (task_ != nullptr) {
    stream_.ExpireAt(Now() + std::min<Duration>(kHoldTask, context_.options.idle_timeout));
    absl::Status status = co_await stream_.WaitReadable();
    if (!absl::IsDeadlineExceeded(status)) co_return status;
    ReleaseTask();
  }
  stream_.ExpireAt(Now() + context_.options.idle_timeout);
  const absl::Status status = co_await stream_.WaitReadable();
  // Nobody is missed.
  if (absl::IsDeadlineExceeded(status)) co_return absl::OutOfRangeError("idle");
  co_return status;
}

void UploadConnection::UseTask() {
  if (task_ != nullptr && !task_->removed() && task_->spec().kind == kind_ &&
      task_->spec().id.str() == request_.task_id) {
    return;
  }
  ReleaseTask();
  task_ = context_.storage.Find(kind_, TaskId(request_.task_id));
  if (task_ == nullptr) return;
  pin_ = task_->Pin();
  if (task_->removed()) ReleaseTask();
}

void UploadConnection::ReleaseTask() {
  pin_.reset();
  task_.reset();
}

std::string UploadConnection::PieceName() const {
  return StrCat(request_.task_id, "-", request_.number);
}

Awaitable<absl::Status> UploadConnection::Answer() {
  UploadTally tally(context_.metrics, kind_);
  UseTask();
  auto piece = task_ != nullptr ? task_->Locate(request_.number) : std::nullopt;
  std::shared_ptr<ComingPiece> coming;
  if (!piece && task_ != nullptr) {
    coming = task_->Coming(request_.number);
    // It may have become whole between the two questions.
    piece = coming != nullptr ? coming->location() : task_->Locate(request_.number);
  }
  if (!piece.has_value()) {
    co_return co_await SendError(VortexErrorCode::kNotFound,
                                 StrCat("piece ", PieceName(), " not found"));
  }
  if (coming == nullptr && !task_->Intact()) {
    // Wrong bytes would be found by their receiver, who then takes this node for a liar.
    auto verify = [task = task_, number = request_.number] { return task->VerifyPiece(number); };
    const absl::Status verified = co_await context_.disk.Run(std::move(verify));
    if (!verified.ok()) {
      context_.log.Warn("dropped a damaged piece",
                        {{"piece_id", PieceName()}, {"error", verified}});
      co_return co_await SendError(VortexErrorCode::kNotFound,
                                   StrCat("piece ", PieceName(), " not found"));
    }
  }
  const int content = task_->content_fd();
  if (content < 0) {
    co_return co_await SendError(
        VortexErrorCode::kInternal,
        StrCat("failed to get piece ", PieceName(), " content: cannot open the file"));
  }
  task_->Touch();
  const std::uint64_t name = absl::HashOf(std::string_view(request_.task_id), request_.number);
  CO_ASSIGN_OR_RETURN(
      const UploadTurns::Turn turn,
      co_await context_.turns.Wait(stream_, name, piece->length, coming != nullptr));
  std::optional<Arrivals> arrivals;
  if (coming != nullptr) {
    arrivals.emplace(stream_, turn, coming);
    // Nothing is promised before anything is here.
    const auto first = co_await arrivals->Beyond(0, context_.options.send_timeout);
    if (absl::IsNotFound(first.status())) {
      co_return co_await SendError(VortexErrorCode::kNotFound,
                                   StrCat("piece ", PieceName(), " not found"));
    }
    if (!first.ok()) co_return first.status();
  }
  const absl::Status status =
      co_await SendPiece(*piece, content, arrivals.has_value() ? &*arrivals : nullptr);
  if (status.ok()) {
    tally.Finished(piece->length);
  } else if (absl::IsDataLoss(status)) {
    task_->DropDamagedPiece(request_.number);
    context_.log.Warn("dropped a damaged piece", {{"piece_id", PieceName()}, {"error", status}});
  }
  co_return status;
}

std::size_t UploadConnection::WriteHead(const PieceLocation& piece) {
  char digest[sizeof("crc32:4294967295")] = "crc32:";
  VortexMetadata metadata;
  metadata.number = request_.number;
  metadata.offset = piece.offset;
  metadata.length = piece.length;
  if (piece.crc32.has_value()) {
    const auto end = std::to_chars(digest + std::strlen(digest), std::end(digest), *piece.crc32);
    metadata.digest = {digest, static_cast<std::size_t>(end.ptr - digest)};
  }
  metadata.parent_id = piece.parent_id;
  metadata.cost_seconds = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(piece.cost).count()));
  metadata.created_at_seconds =
      std::chrono::floor<std::chrono::seconds>(piece.created_at.time_since_epoch()).count();
  const VortexTag tag = VortexContentTag(kind_);
  const std::size_t size = WriteVortexContent(next_id_, tag, metadata, out_);
  if (size > 0) return size;
  // An id of that length is no peer's that anybody could look up.
  metadata.parent_id = {};
  return WriteVortexContent(next_id_, tag, metadata, out_);
}

Awaitable<absl::Status> UploadConnection::SendPiece(PieceLocation piece, int content,
                                                    Arrivals* arrivals) {
  ++next_id_;
  std::size_t head_bytes = WriteHead(piece);
  std::uint64_t offset = piece.offset;
  std::uint64_t rest = piece.length;
  sent_ = confirmed_ = 0;
  while (rest > 0) {
    std::uint64_t chunk = std::min<std::uint64_t>(rest, context_.options.chunk_bytes);
    if (arrivals != nullptr) {
      CO_ASSIGN_OR_RETURN(
          const std::uint64_t here,
          co_await arrivals->Beyond(piece.length - rest, context_.options.send_timeout));
      chunk = std::min(chunk, here);
    }
    if (!context_.limiter.unlimited()) co_await context_.limiter.Acquire(chunk);
    if (!IsInPageCache(content, offset, chunk)) co_await Read(content, offset, chunk, rest - chunk);
    stream_.ExpireAt(Now() + context_.options.send_timeout);
    if (head_bytes > 0) {
      // Leaves together with the first bytes of the piece.
      const std::size_t size = std::exchange(head_bytes, 0);
      CO_RETURN_IF_ERROR(co_await stream_.SendAll(std::span(out_).first(size), MSG_MORE));
    }
    CO_RETURN_IF_ERROR(co_await SendBytes(content, offset, chunk));
    offset += chunk;
    rest -= chunk;
    (void)CountConfirmed();
    // Those that wait for bytes to come let others run anyway.
    if (rest > 0 && arrivals == nullptr) {
      co_await asio::post(stream_.socket().get_executor(), asio::use_awaitable);
    }
  }
  co_await Drain();
  co_return absl::OkStatus();
}

std::uint64_t UploadConnection::CountConfirmed() {
  int queued = 0;
  if (::ioctl(stream_.fd(), SIOCOUTQ, &queued) != 0 || queued < 0) return 0;
  const std::uint64_t on_its_way = std::min(static_cast<std::uint64_t>(queued), sent_);
  const std::uint64_t confirmed = sent_ - on_its_way;
  if (confirmed > confirmed_)
    context_.turns.Moved(confirmed - std::exchange(confirmed_, confirmed));
  return on_its_way;
}

Awaitable<> UploadConnection::Drain() {
  SteadyTime progress = Now();
  std::uint64_t before = sent_;
  while (true) {
    const std::uint64_t left = CountConfirmed();
    const double capacity = context_.turns.capacity();
    const double seconds = capacity > 0 ? static_cast<double>(left) / capacity : 0;
    if (seconds <= 2 * kHandOverSeconds) co_return;
    const SteadyTime now = Now();
    if (left < before) {
      before = left;
      progress = now;
    } else if (now - progress > kDrainStall) {
      co_return;
    }
    co_await SleepFor(std::chrono::milliseconds(
        std::clamp(static_cast<int>((seconds - kHandOverSeconds) * 1000), 5, 50)));
  }
}

Awaitable<absl::Status> UploadConnection::SendBytes(int content, std::uint64_t offset,
                                                    std::uint64_t length) {
  auto at = static_cast<off_t>(offset);
  while (length > 0) {
    const ssize_t sent = ::sendfile(stream_.fd(), content, &at, length);
    if (sent > 0) {
      length -= static_cast<std::uint64_t>(sent);
      sent_ += static_cast<std::uint64_t>(sent);
    } else if (sent == 0) {
      co_return absl::DataLossError("content file ends before the piece does");
    } else if (errno == EAGAIN) {
      stream_.ExpireAt(Now() + context_.options.send_timeout);
      CO_RETURN_IF_ERROR(Annotate(co_await stream_.WaitWritable(), "send piece"));
      (void)CountConfirmed();
    } else if (errno == EIO) {
      co_return absl::DataLossError("content file cannot be read");
    } else if (errno != EINTR) {
      co_return SocketError(errno, "send piece");
    }
  }
  co_return absl::OkStatus();
}

Awaitable<> UploadConnection::Read(int content, std::uint64_t offset, std::uint64_t length,
                                   std::uint64_t rest_of_piece) {
  auto read = [content, offset, length, ahead = std::min(rest_of_piece, kReadAhead)] {
    ReadIntoPageCacheBlocking(content, offset, length, ahead);
    return true;
  };
  co_await context_.disk.Run(std::move(read));
}

Awaitable<absl::Status> UploadConnection::SendError(VortexErrorCode code,
                                                    std::string_view message) {
  // Ids of a request are of 64 bytes, so it fits.
  const std::size_t size = WriteVortexError(++next_id_, {code, message}, out_);
  stream_.ExpireAt(Now() + context_.options.send_timeout);
  return stream_.SendAll(std::span(out_).first(size), 0);
}

}  // namespace dragonfly::dfdaemon
