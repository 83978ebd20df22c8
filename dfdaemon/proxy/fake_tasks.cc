#include "dfdaemon/proxy/fake_tasks.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "common/base/bytes.h"
#include "common/base/status_macros.h"
#include "common/ids/piece_math.h"
#include "dfdaemon/task/download_plan.h"

namespace dragonfly::dfdaemon {

class FakeTasks::Running final : public Download {
 public:
  Running(FakeTasks& tasks, DownloadStarted started, std::shared_ptr<StoredTask> stored)
      : tasks_(tasks), started_(std::move(started)), stored_(std::move(stored)) {
    if (!tasks_.automatic) return;
    for (const PieceSpan& piece : started_.pieces) own_events_.emplace_back(piece.number);
    own_events_.emplace_back(absl::OkStatus());
  }
  ~Running() override { ++tasks_.ended_; }

  [[nodiscard]] const DownloadStarted& started() const override { return started_; }
  [[nodiscard]] const std::shared_ptr<StoredTask>& stored() const override { return stored_; }

  Awaitable<absl::StatusOr<std::optional<PieceRecord>>> Next() override {
    const std::vector<Event>& events = tasks_.automatic ? own_events_ : tasks_.events_;
    while (seen_ == events.size()) {
      const auto version = tasks_.changed_.version();
      co_await tasks_.changed_.WaitPast(version);
    }
    const Event event = events[seen_++];
    if (const auto* end = std::get_if<absl::Status>(&event)) {
      if (!end->ok()) co_return *end;
      co_return std::nullopt;
    }
    const auto number = std::get<PieceNumber>(event);
    CO_ASSIGN_OR_RETURN(StoredTask::Claim claim, stored_->ClaimPiece(number));
    if (claim.result == StoredTask::ClaimResult::kClaimed) {
      PieceWriter& writer = *claim.writer;
      const auto bytes = AsBytes(tasks_.content).subspan(writer.offset(), writer.length());
      CO_RETURN_IF_ERROR(writer.Append(bytes));
      CO_RETURN_IF_ERROR(writer.Commit({}));
    }
    co_return stored_->Piece(number);
  }

 private:
  FakeTasks& tasks_;
  const DownloadStarted started_;
  const std::shared_ptr<StoredTask> stored_;
  std::vector<Event> own_events_;
  std::size_t seen_ = 0;
};

void FakeTasks::Push(Event event) {
  asio::post(io_, [this, event = std::move(event)] {
    events_.push_back(event);
    changed_.Notify();
  });
}

std::vector<DownloadRequest> FakeTasks::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

absl::StatusOr<TaskId> FakeTasks::IdOf(const DownloadRequest& request) const {
  return TaskIdOf(request);
}

Awaitable<absl::StatusOr<std::unique_ptr<Download>>> FakeTasks::Start(DownloadRequest request) {
  {
    const MutexLock lock(mutex_);
    requests_.push_back(request);
  }
  if (start_error) co_return *start_error;
  TaskSpec spec;
  CO_ASSIGN_OR_RETURN(spec.id, TaskIdOf(request));
  spec.piece_length = piece_length;
  spec.content_length = content.size();
  spec.response_headers = response_headers;
  CO_ASSIGN_OR_RETURN(std::shared_ptr<StoredTask> stored, storage_.Create(spec));
  DownloadStarted started;
  started.peer.task_id = spec.id;
  started.content_length = content.size();
  started.piece_length = piece_length;
  started.response_headers = response_headers;
  started.asked_source = asked_source;
  started.is_finished = stored->complete();
  CO_ASSIGN_OR_RETURN(started.range, RangeOf(request, content.size()));
  CO_ASSIGN_OR_RETURN(const PieceLayout layout, PieceLayout::Create(content.size(), piece_length));
  CO_ASSIGN_OR_RETURN(const PieceLayout::Run run, layout.Interested(started.range));
  for (PieceNumber i = 0; i < run.count; ++i) started.pieces.push_back(layout.At(run.first + i));
  co_return std::make_unique<Running>(*this, std::move(started), std::move(stored));
}

Awaitable<absl::Status> FakeTasks::Delete(TaskKind, TaskId) {
  co_return absl::UnimplementedError("not in this test");
}

}  // namespace dragonfly::dfdaemon
