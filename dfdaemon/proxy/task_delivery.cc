#include "dfdaemon/proxy/task_delivery.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "absl/strings/match.h"
#include "common/async/run_on.h"
#include "common/async/with_timeout.h"
#include "common/base/status_macros.h"
#include "common/net/range.h"
#include "dfdaemon/proxy/answers.h"
#include "dfdaemon/proxy/request_headers.h"
#include "dfdaemon/storage/page_cache.h"

namespace dragonfly::dfdaemon {
namespace {

// One step of sending: what is looked up in the page cache, and read into it, at a time.
constexpr std::uint64_t kStepBytes = 4 * kMiB;
// What waits for the whole content's digest. Small, so that a client's pipe does not run empty.
constexpr std::uint64_t kHeldBackBytes = 64 * kKiB;

SteadyTime Now() { return std::chrono::steady_clock::now(); }

// A Range that cannot be read is ignored, and so is one whose If-Range does not hold (RFC 9110,
// 14.2 and 13.1.5).
bool RangeApplies(const HttpHeaders& headers, const StoredTask* stored) {
  const auto range = FindHeader(headers, "Range");
  if (!range || !ParseFirstRange(*range).ok()) return false;
  const auto condition = FindHeader(headers, "If-Range");
  if (!condition) return true;
  if (stored == nullptr) return false;
  const HttpHeaders& saved = stored->spec().response_headers;
  const auto etag = FindHeader(saved, "ETag");
  const auto modified = FindHeader(saved, "Last-Modified");
  // A weak tag does not vouch for single bytes.
  return (etag && *etag == *condition && etag->substr(0, 2) != "W/") ||
         (modified && *modified == *condition);
}

// The download refuses a range with the code that gRPC clients of the original know.
bool IsRangeRefusal(const DownloadRequest& request, const absl::Status& status) {
  if (!FindHeader(request.request_headers, "Range") || GetSourceError(status)) return false;
  return absl::IsOutOfRange(status) ||
         (absl::IsFailedPrecondition(status) && absl::StartsWith(status.message(), "range"));
}

bool IsNotModified(const HttpHeaders& headers, const HttpHeaders& saved) {
  const auto condition = FindHeader(headers, "If-None-Match");
  const auto etag = FindHeader(saved, "ETag");
  return condition && etag && MatchesEntityTag(*condition, *etag);
}

SourceRequest ForAdmission(const DownloadRequest& request, const TaskId& id) {
  SourceRequest source;
  source.task_id = id;
  source.url = request.url;
  source.headers = request.request_headers;
  RemoveHeader(source.headers, "Range");
  source.certificate_chain = request.certificate_chain;
  source.timeout = std::chrono::seconds(60);
  return source;
}

}  // namespace

void TaskDelivery::DeleteOnIo::operator()(Download* download) const {
  asio::post(io, [owned = std::unique_ptr<Download>(download)] {});
}

Awaitable<absl::StatusOr<TaskDelivery::Known>> TaskDelivery::LookUp(DownloadRequest request) {
  CO_ASSIGN_OR_RETURN(TaskId id, with_.tasks.IdOf(request));
  Known known;
  known.stored = with_.storage.Find(request.kind, id);
  known.id = std::move(id);
  co_return known;
}

Awaitable<absl::StatusOr<TaskDelivery::Running>> TaskDelivery::Start(DownloadRequest request) {
  auto download = co_await with_.tasks.Start(std::move(request));
  if (!download.ok()) co_return download.status();
  Running running;
  running.started = (*download)->started();
  running.stored = (*download)->stored();
  running.download = std::unique_ptr<Download, DeleteOnIo>(download->release(), DeleteOnIo{with_.io});
  co_return running;
}

Awaitable<absl::StatusOr<TaskDelivery::Running>> TaskDelivery::StartAdmitted(
    DownloadRequest request, const Known& known) {
  SourceRequest claim = ForAdmission(request, known.id);
  // Asking first keeps a caller without rights from starting anything.
  const bool has_content = known.stored != nullptr && known.stored->finished_pieces() > 0;
  if (has_content) {
    absl::Status admitted = co_await with_.admission.Check(claim);
    if (!admitted.ok()) co_return admitted;
  }
  auto running = co_await RunOn(with_.io, Start(std::move(request)));
  if (!running.ok() || has_content) co_return running;
  if (running->started.asked_source) {
    co_await with_.admission.Remember(std::move(claim));
    co_return running;
  }
  // Another caller made the task in between.
  absl::Status admitted = co_await with_.admission.Check(std::move(claim));
  if (!admitted.ok()) co_return admitted;
  co_return running;
}

Awaitable<absl::Status> TaskDelivery::Run(DownloadRequest request, HttpHeaders headers,
                                          HttpResponder& responder) {
  const auto known = co_await RunOn(with_.io, LookUp(request));
  if (!known.ok()) co_return known.status();
  if (!RangeApplies(headers, known->stored.get())) RemoveHeader(request.request_headers, "Range");

  auto running = co_await WithTimeout(StartAdmitted(request, *known), options_.first_byte_timeout,
                                      "start of the download");
  if (!running.ok()) {
    if (IsRangeRefusal(request, running.status())) {
      const auto stored = with_.storage.Find(request.kind, known->id);
      co_return co_await responder.Send(UnsatisfiableRange(
          stored != nullptr ? std::optional(stored->spec().content_length) : std::nullopt));
    }
    co_return running.status();
  }
  if (IsNotModified(headers, running->started.response_headers)) {
    HttpResponse answer;
    HttpResponseHead head = TaskHead(running->started, options_.server_ip);
    answer.status = 304;
    answer.headers = std::move(head.headers);
    RemoveHeader(answer.headers, "Content-Range");
    co_return co_await responder.Send(std::move(answer));
  }

  Feed feed(co_await asio::this_coro::executor);
  absl::Status result;
  const auto executor = co_await asio::this_coro::executor;
  // The sender's end also ends the pump: what nobody waits for is not downloaded on.
  auto [order, send_error, pump_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, Deliver(*running, feed, responder, result), asio::deferred),
          asio::co_spawn(executor, Pump(*running->download, feed), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (send_error) std::rethrow_exception(send_error);
  co_return result;
}

Awaitable<absl::Status> TaskDelivery::PumpOnIo(Download& download, Notifier changed) {
  while (true) {
    const auto next = co_await download.Next();
    if (!next.ok()) co_return next.status();
    if (!next->has_value()) co_return absl::OkStatus();
    changed.NotifyFromAnyThread();
  }
}

Awaitable<> TaskDelivery::Pump(Download& download, Feed& feed) {
  feed.status = co_await RunOn(with_.io, PumpOnIo(download, feed.changed));
  feed.ended = true;
  feed.changed.Notify();
  // Until the sender is done: the first of the two to return ends the other.
  asio::steady_timer never(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
}

Awaitable<> TaskDelivery::Deliver(const Running& running, Feed& feed, HttpResponder& responder,
                                  absl::Status& result) {
  result = co_await Send(running, feed, responder);
}

Awaitable<absl::Status> TaskDelivery::WaitForPiece(const Running& running, Feed& feed,
                                                   PieceNumber number, SteadyTime deadline) {
  while (true) {
    const auto seen = feed.changed.version();
    if (feed.ended && !feed.status.ok()) co_return feed.status;
    if (running.stored->HasPiece(number)) co_return absl::OkStatus();
    if (feed.ended) co_return absl::DataLossError("a finished piece is not there any more");
    if (!co_await feed.changed.WaitPast(seen, deadline)) {
      co_return absl::DeadlineExceededError("no piece arrived in time");
    }
  }
}

Awaitable<absl::Status> TaskDelivery::WaitForEnd(Feed& feed, SteadyTime deadline) {
  while (!feed.ended) {
    const auto seen = feed.changed.version();
    if (!co_await feed.changed.WaitPast(seen, deadline)) {
      co_return absl::DeadlineExceededError("the download did not end in time");
    }
  }
  co_return feed.status;
}

Awaitable<absl::Status> TaskDelivery::Send(const Running& running, Feed& feed,
                                           HttpResponder& responder) {
  const DownloadStarted& started = running.started;
  const ByteRange range = started.range.value_or(ByteRange{0, started.content_length});
  const SteadyTime first_byte_by = Now() + options_.first_byte_timeout;
  if (range.length == 0) {
    CO_RETURN_IF_ERROR(co_await WaitForEnd(feed, first_byte_by));
    CO_RETURN_IF_ERROR(co_await responder.Begin(TaskHead(started, options_.server_ip)));
    co_return co_await responder.End();
  }
  const std::uint64_t end = range.start + range.length;
  const std::uint64_t held_from = end - std::min(kHeldBackBytes, range.length);
  std::uint64_t sent = range.start;
  std::uint64_t here = range.start;
  for (const PieceSpan& piece : started.pieces) {
    const std::uint64_t piece_end = std::min(piece.offset + piece.length, end);
    if (piece.offset > here || piece_end <= here) continue;
    CO_RETURN_IF_ERROR(co_await WaitForPiece(
        running, feed, piece.number, responder.begun() ? SteadyTime::max() : first_byte_by));
    here = piece_end;
    const std::uint64_t free_end = std::min(here, held_from);
    if (free_end <= sent) continue;
    CO_RETURN_IF_ERROR(co_await SendRegion(running, sent, free_end - sent, responder));
    sent = free_end;
  }
  if (here != end) co_return absl::InternalError("the pieces do not cover the range");
  CO_RETURN_IF_ERROR(
      co_await WaitForEnd(feed, responder.begun() ? SteadyTime::max() : first_byte_by));
  CO_RETURN_IF_ERROR(co_await SendRegion(running, sent, end - sent, responder));
  co_return co_await responder.End();
}

Awaitable<absl::Status> TaskDelivery::SendRegion(const Running& running, std::uint64_t offset,
                                                 std::uint64_t length, HttpResponder& responder) {
  const int fd = running.stored->content_fd();
  if (fd < 0) co_return absl::InternalError("the content file cannot be opened");
  if (!responder.begun()) {
    CO_RETURN_IF_ERROR(co_await responder.Begin(TaskHead(running.started, options_.server_ip)));
  }
  while (length > 0) {
    const std::uint64_t step = std::min(length, kStepBytes);
    if (!IsInPageCache(fd, offset, step)) {
      auto read = [fd, offset, step] {
        ReadIntoPageCacheBlocking(fd, offset, step);
        return true;
      };
      co_await with_.disk.Run(std::move(read));
    }
    CO_RETURN_IF_ERROR(co_await responder.SendFile(fd, offset, step));
    offset += step;
    length -= step;
  }
  co_return absl::OkStatus();
}

Awaitable<std::optional<HttpResponseHead>> TaskDelivery::HeadFromDisk(DownloadRequest request) {
  const auto known = co_await RunOn(with_.io, LookUp(request));
  if (!known.ok() || known->stored == nullptr || !known->stored->complete()) co_return std::nullopt;
  const absl::Status admitted = co_await with_.admission.Check(ForAdmission(request, known->id));
  if (!admitted.ok()) co_return std::nullopt;
  DownloadStarted started;
  started.peer.task_id = known->id;
  started.content_length = known->stored->spec().content_length;
  started.response_headers = known->stored->spec().response_headers;
  started.is_finished = true;
  co_return TaskHead(started, options_.server_ip);
}

}  // namespace dragonfly::dfdaemon
