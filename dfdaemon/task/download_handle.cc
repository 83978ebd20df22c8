#include "dfdaemon/task/download_handle.h"

#include <utility>

namespace dragonfly::dfdaemon {

DownloadHandle::DownloadHandle(Parts parts) : parts_(std::move(parts)) {}

DownloadHandle::~DownloadHandle() {
  if (const auto driver = parts_.driver.lock()) driver->Leave(parts_.caller);
  Count(DownloadOutcome::Result::kCallerLeft);
}

std::optional<PieceRecord> DownloadHandle::TakePiece() {
  while (const auto ready = parts_.caller->TakeReady()) {
    auto record = parts_.stored->Piece(ready->number);
    if (!record) continue;  // Dropped again since; it comes back or the download fails.
    if (ready->local) {
      record->traffic_type = TrafficType::kLocalPeer;
      parts_.metrics.PieceDownloaded(TrafficType::kLocalPeer, parts_.stored->spec().kind,
                                     record->length);
    }
    return record;
  }
  return std::nullopt;
}

Awaitable<absl::StatusOr<std::optional<PieceRecord>>> DownloadHandle::Next() {
  while (!result_) {
    const auto version = parts_.caller->changed().version();
    const auto& end = parts_.caller->end();
    if (end && !end->ok()) {
      result_ = *end;
      break;
    }
    if (auto record = TakePiece()) co_return record;
    if (end) {
      result_ = co_await Finish();
      break;
    }
    (void)co_await parts_.caller->changed().WaitPast(version);
  }
  Count(result_->ok() ? DownloadOutcome::Result::kSucceeded : DownloadOutcome::Result::kFailed);
  if (!result_->ok()) co_return *result_;
  co_return std::nullopt;
}

Awaitable<absl::Status> DownloadHandle::Finish() {
  if (!parts_.output) co_return absl::OkStatus();
  // The job owns what it works on: it runs to its end when the caller leaves meanwhile.
  auto place = [output = *parts_.output, stored = parts_.stored, pin = parts_.pin] {
    OutputContent content;
    content.path = stored->content_path();
    content.fd = stored->content_fd();
    content.length = stored->spec().content_length;
    absl::Status placed = PlaceOutputBlocking(output, content);
    if (absl::IsInternal(placed) || absl::IsDataLoss(placed)) {
      // Maybe the content cannot be read any more. Then the next download gets it again.
      for (PieceNumber piece = 0; piece < stored->piece_count(); ++piece) {
        (void)stored->VerifyPiece(piece);
      }
    }
    return placed;
  };
  co_return co_await parts_.disk.Run(std::move(place));
}

void DownloadHandle::Count(DownloadOutcome::Result result) {
  if (std::exchange(counted_, true)) return;
  DownloadOutcome outcome;
  outcome.result = result;
  outcome.bytes = parts_.started.range ? parts_.started.range->length : parts_.started.content_length;
  outcome.duration = parts_.clock.Now() - parts_.started_at;
  parts_.metrics.DownloadEnded(parts_.labels, outcome);
  const auto cost_ms = std::chrono::duration_cast<std::chrono::milliseconds>(outcome.duration);
  switch (result) {
    case DownloadOutcome::Result::kSucceeded:
      // Scripts of operators look for this text and the task id in one line.
      parts_.log.Info("download task succeeded",
                      {{"content_length", outcome.bytes}, {"cost_ms", cost_ms}});
      break;
    case DownloadOutcome::Result::kFailed:
      parts_.log.Error("download task failed", {{"error", *result_}, {"cost_ms", cost_ms}});
      break;
    case DownloadOutcome::Result::kCallerLeft:
      parts_.log.Info("caller left the download", {{"cost_ms", cost_ms}});
      break;
  }
}

}  // namespace dragonfly::dfdaemon
