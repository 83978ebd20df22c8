#include "dfdaemon/rpc/sync_pieces.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/async/notifier.h"
#include "common/base/strings.h"
#include "dfdaemon/cluster/conversions.h"
#include "dfdaemon/task/task_events.h"

namespace dragonfly::dfdaemon {
namespace {

// So many children learn of every sample.
constexpr std::size_t kOftenToldReaders = 4;
// Whether somebody downloads the task only its pin tells: one that was finished by a range download
// may be running again, and one whose daemon was killed is not running any more. Uploads pin too,
// for a moment.
constexpr auto kPinCheckInterval = std::chrono::seconds(1);

class PieceStream {
 public:
  PieceStream(const ServiceDeps& deps, const pb::dfdaemon::SyncPiecesRequest& request,
              bool takes_coming, rpc::Writer<pb::dfdaemon::SyncPiecesResponse>& writer,
              std::shared_ptr<StoredTask> task)
      : deps_(deps),
        writer_(writer),
        task_(std::move(task)),
        takes_coming_(takes_coming),
        wanted_(request.interested_piece_numbers(), task_->piece_count()),
        changed_(deps.io),
        events_(*task_, changed_,
                TaskEvents::Kinds{.coming = takes_coming, .released = takes_coming}) {}

  Awaitable<absl::Status> Run() {
    // Subscribed before looking, so that nothing falls between.
    if (!co_await TellAll()) co_return Gone();
    bool finished = task_->times().finished_at.has_value();
    while (!wanted_.empty() || !coming_.empty()) {
      if (task_->removed()) co_return NotFound();
      if (!finished && task_->times().failed_at) co_return Failed();
      if (finished && (task_->complete() || !task_->pinned())) {
        // Pieces may have come while others were being told.
        if (!co_await TellAll()) co_return Gone();
        co_return absl::OkStatus();
      }
      if (!finished && !task_->pinned()) {
        // Nobody brings the rest, so that a child would wait for nothing.
        if (!co_await TellAll()) co_return Gone();
        co_return Failed();
      }
      const auto version = changed_.version();
      auto events = events_.Take();
      if (events.empty()) {
        (void)co_await changed_.WaitPast(version,
                                         std::chrono::steady_clock::now() + kPinCheckInterval);
        events = events_.Take();
      }
      for (const TaskEvent& event : events) {
        switch (event.kind) {
          case TaskEvent::Kind::kPieceFinished:
            coming_.erase(event.piece);
            [[fallthrough]];
          case TaskEvent::Kind::kPieceComing:
            if (wanted_.Contains(event.piece) && !co_await Tell(event.piece)) co_return Gone();
            break;
          case TaskEvent::Kind::kTaskFinished:
            finished = true;
            if (!co_await TellAll()) co_return Gone();
            co_return absl::OkStatus();
          case TaskEvent::Kind::kTaskFailed:
            co_return Failed();
          case TaskEvent::Kind::kTaskRemoved:
            co_return NotFound();
          case TaskEvent::Kind::kPieceReleased:
            // The child learns it when it asks; and once the piece is here, that it is.
            if (coming_.erase(event.piece) > 0) wanted_.Add(event.piece);
            break;
        }
      }
    }
    co_return absl::OkStatus();
  }

 private:
  [[nodiscard]] absl::Status NotFound() const {
    return absl::InternalError(StrCat("task ", task_->spec().id.str(), " not found"));
  }
  [[nodiscard]] absl::Status Failed() const {
    return absl::InternalError(StrCat("task ", task_->spec().id.str(), " failed"));
  }
  static absl::Status Gone() { return absl::CancelledError("child is gone"); }

  Awaitable<bool> TellAll() {
    for (const PieceNumber number : wanted_.List()) {
      if (!co_await Tell(number)) co_return false;
    }
    co_return true;
  }

  Awaitable<bool> Tell(PieceNumber number) {
    auto place = task_->Locate(number);
    const auto coming = place || !takes_coming_ ? nullptr : task_->Coming(number);
    if (coming != nullptr) {
      place = coming->location();
      coming_.insert(number);
    }
    if (!place) co_return true;  // Not here, or not any more; it is announced when it comes.
    wanted_.Remove(number);
    pb::dfdaemon::SyncPiecesResponse response;
    response.set_number(number);
    response.set_offset(place->offset);
    response.set_length(place->length);
    response.set_ip(deps_.ip);
    response.set_tcp_port(deps_.vortex_tcp_port);
    if (deps_.vortex_quic_port) response.set_quic_port(*deps_.vortex_quic_port);
    co_return co_await writer_.Write(std::move(response));
  }

  const ServiceDeps& deps_;
  rpc::Writer<pb::dfdaemon::SyncPiecesResponse>& writer_;
  const std::shared_ptr<StoredTask> task_;
  const bool takes_coming_;
  WantedPieces wanted_;
  absl::flat_hash_set<PieceNumber> coming_;  // Told of while they were coming, and not here yet.
  Notifier changed_;
  TaskEvents events_;
};

}  // namespace

WantedPieces::WantedPieces(const google::protobuf::RepeatedField<std::uint32_t>& numbers,
                           PieceNumber piece_count)
    : wanted_(piece_count, false) {
  for (const PieceNumber number : numbers) Add(number);
}

void WantedPieces::Add(PieceNumber number) {
  if (number >= wanted_.size() || wanted_[number]) return;
  wanted_[number] = true;
  ++count_;
}

void WantedPieces::Remove(PieceNumber number) {
  if (!Contains(number)) return;
  wanted_[number] = false;
  --count_;
}

std::vector<PieceNumber> WantedPieces::List() const {
  std::vector<PieceNumber> numbers;
  numbers.reserve(count_);
  for (PieceNumber number = 0; number < wanted_.size(); ++number) {
    if (wanted_[number]) numbers.push_back(number);
  }
  return numbers;
}

Awaitable<absl::Status> ServeSyncPieces(const ServiceDeps& deps,
                                        const pb::dfdaemon::SyncPiecesRequest& request,
                                        bool takes_coming,
                                        rpc::Writer<pb::dfdaemon::SyncPiecesResponse>& writer) {
  auto task = deps.storage.Find(TaskKind::kStandard, TaskId(request.task_id()));
  if (task == nullptr || task->removed()) {
    co_return absl::InternalError(StrCat("task ", request.task_id(), " not found"));
  }
  if (task->times().failed_at) {
    co_return absl::InternalError(StrCat("task ", request.task_id(), " failed"));
  }
  // Children wait for the headers only so long, and the first piece may come late.
  writer.SendInitialMetadata();
  PieceStream stream(deps, request, takes_coming, writer, std::move(task));
  co_return co_await stream.Run();
}

Awaitable<absl::Status> ServeSyncHost(const ServiceDeps& deps,
                                      rpc::Writer<pb::common::Host>& writer) {
  const NetworkMonitor::Reader reader(deps.network);
  while (true) {
    auto version = deps.network.sampled().version();
    pb::common::Host host;
    ToProto(deps.network.latest(), *host.mutable_network());
    if (!co_await writer.Write(std::move(host))) co_return absl::CancelledError("child is gone");
    // The more there are, the less often each is told: what this costs must not grow with the
    // number of children. Five seconds without news would mean that this host is dead.
    const auto samples = std::clamp<std::size_t>(deps.network.readers() / kOftenToldReaders, 1, 4);
    for (std::size_t i = 0; i < samples; ++i) {
      (void)co_await deps.network.sampled().WaitPast(version);
      version = deps.network.sampled().version();
    }
  }
}

}  // namespace dragonfly::dfdaemon
