#include "scheduler/rpc/shard.h"

#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>

#include "common/async/run_on.h"
#include "scheduler/rpc/peer_stream.h"

namespace dragonfly::scheduler {
namespace {

// What is done before urgent things are looked for again: at well below a microsecond per report
// that is a fraction of a millisecond.
constexpr std::size_t kReportStreams = 4;
constexpr std::size_t kReportsPerStream = 256;
constexpr std::size_t kControlBudget = 4096;
constexpr std::size_t kSweepPortion = 2000;
// Nobody is told anything because of a report, so it may wait.
constexpr std::chrono::milliseconds kReportTick{1};

}  // namespace

Dispatcher::Collaborators Shard::WithSeeds(const Dispatcher::Collaborators& given,
                                           SeedTrigger& seeds) {
  return {given.hosts,   seeds,    given.evaluator, given.dynamic_config,
          given.metrics, given.log};
}

Shard::Shard(asio::any_io_executor executor, const Dispatcher::Options& options,
             const Dispatcher::Collaborators& collaborators, SeedPeers& seeds,
             const Clock& clock)
    : executor_(std::move(executor)),
      clock_(clock),
      seeds_(seeds),
      dispatcher_(options, WithSeeds(collaborators, *this), Random::FromSystem()),
      tick_(executor_),
      timer_(executor_) {}

Shard::~Shard() = default;

void Shard::ScheduleLocked() {
  if (std::exchange(queue_.scheduled, true)) return;
  asio::post(executor_, [self = shared_from_this()] { self->Run(); });
}

void Shard::Ready(std::shared_ptr<PeerStream> stream, Urgency urgency) {
  const MutexLock lock(mutex_);
  if (queue_.stopped) return;
  if (urgency == Urgency::kControl) {
    queue_.control.push_back(std::move(stream));
  } else {
    queue_.reports.push_back(std::move(stream));
    if (queue_.ticking) return;
  }
  ScheduleLocked();
}

void Shard::Post(Work work) {
  const MutexLock lock(mutex_);
  if (queue_.stopped) return;
  queue_.works.push_back(std::move(work));
  ScheduleLocked();
}

void Shard::Run() {
  std::vector<Work> works;
  std::vector<std::shared_ptr<PeerStream>> control;
  std::vector<std::shared_ptr<PeerStream>> reports;
  {
    const MutexLock lock(mutex_);
    if (queue_.stopped) return;
    works.swap(queue_.works);
    control.swap(queue_.control);
    while (!queue_.reports.empty() && reports.size() < kReportStreams) {
      reports.push_back(std::move(queue_.reports.front()));
      queue_.reports.pop_front();
    }
  }
  const SteadyTime now = clock_.Now();
  for (Work& work : works) work(dispatcher_, now);
  for (const auto& stream : control) {
    if (stream->Drain(dispatcher_, now, kControlBudget)) Ready(stream, Urgency::kControl);
  }
  for (const auto& stream : reports) {
    if (stream->Drain(dispatcher_, now, kReportsPerStream)) Ready(stream, Urgency::kReports);
  }
  SetTimer();
  if (!reports.empty()) StartTick();
  const MutexLock lock(mutex_);
  queue_.scheduled = false;
  // What did not fit into this run does not wait.
  const bool more_reports = reports.size() == kReportStreams || !queue_.ticking;
  if (!queue_.works.empty() || !queue_.control.empty() ||
      (more_reports && !queue_.reports.empty())) {
    ScheduleLocked();
  }
}

void Shard::StartTick() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(queue_.ticking, true)) return;
  }
  tick_.expires_after(kReportTick);
  tick_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->stopped_) self->Tick();
  });
}

void Shard::Tick() {
  const MutexLock lock(mutex_);
  queue_.ticking = false;
  if (!queue_.reports.empty()) ScheduleLocked();
}

void Shard::SetTimer() {
  const std::optional<SteadyTime> next = dispatcher_.NextDeadline();
  const SteadyTime when = next.value_or(SteadyTime::max());
  if (when == timer_at_) return;
  timer_at_ = when;
  if (!next.has_value()) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(when);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    // It may have been due already when the shard stopped.
    if (error || self->stopped_) return;
    self->timer_at_ = SteadyTime::max();
    self->dispatcher_.Advance(self->clock_.Now());
    self->SetTimer();
  });
}

void Shard::SweepPeers() {
  Post([self = shared_from_this()](Dispatcher&, SteadyTime) {
    // A round that takes longer than the interval is not begun twice.
    if (std::exchange(self->sweeping_, true)) return;
    self->SweepPortion(Swarm::Cursor{});
  });
}

void Shard::SweepPortion(Swarm::Cursor cursor) {
  if (dispatcher_.SweepPeers(cursor, kSweepPortion, clock_.Now())) {
    sweeping_ = false;
    return;
  }
  Post([self = shared_from_this(), cursor](Dispatcher&, SteadyTime) {
    self->SweepPortion(cursor);
  });
}

void Shard::Trigger(SeedRequest request) {
  TaskId task_id = request.task_id;
  seeds_.Trigger(std::move(request), [weak = weak_from_this(), task_id = std::move(task_id)](
                                         absl::StatusOr<SeedOutcome> outcome) {
    const std::shared_ptr<Shard> self = weak.lock();
    if (self == nullptr) return;
    self->Post([task_id, outcome = std::move(outcome)](Dispatcher& dispatcher, SteadyTime now) {
      dispatcher.SeedingEnded(task_id, outcome, now);
    });
  });
}

Awaitable<> Shard::Stop() { return RunOn(executor_, StopHere()); }

Awaitable<> Shard::StopHere() {
  stopped_ = true;
  tick_.cancel();
  timer_.cancel();
  Queue dropped;
  {
    const MutexLock lock(mutex_);
    queue_.stopped = true;
    dropped.works.swap(queue_.works);
    dropped.control.swap(queue_.control);
    dropped.reports.swap(queue_.reports);
  }
  co_return;
}

}  // namespace dragonfly::scheduler
