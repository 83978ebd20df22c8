#include "scheduler/selection/waiting_room.h"

#include <algorithm>

#include "common/base/check.h"

namespace dragonfly::scheduler {
namespace {

// Texts that clients log.
constexpr std::string_view kSourceByFlag = "peer's NeedBackToSource is true";
constexpr std::string_view kSourceAfterLimit = "scheduling exceeded RetryBackToSourceLimit";

// For our own log.
constexpr std::string_view kNobodyToWaitFor = "there is nobody to wait for";

// Peers of one task want nearly the same: when so many in a row get nothing, the next ones need not
// be tried.
constexpr std::size_t kVainTries = 8;

std::ptrdiff_t ActiveCount(const Task& task) {
  std::size_t count = task.peer_count(PeerState::kRunning) +
                      task.peer_count(PeerState::kBackToSource) +
                      task.peer_count(PeerState::kSucceeded);
  for (const PeerState state : {PeerState::kReceivedEmpty, PeerState::kReceivedTiny,
                                PeerState::kReceivedSmall, PeerState::kReceivedNormal}) {
    count += task.peer_count(state);
  }
  return static_cast<std::ptrdiff_t>(count);
}

// Of tasks with more peers nobody asks: then others are there too, nearly always.
constexpr std::size_t kFewPeers = 16;

// Those on the same host that have something or get it from the source. None of them is ever
// offered to `peer`; its own daemon has what they have.
std::ptrdiff_t HoldersOnSameHost(const Peer& peer) {
  const Task& task = peer.task();
  std::ptrdiff_t count = 0;
  for (std::size_t i = 0; i < task.peer_count(); ++i) {
    const Peer& other = task.peer(i);
    const bool holds =
        other.state() == PeerState::kSucceeded || other.state() == PeerState::kBackToSource;
    if (&other != &peer && &other.host() == &peer.host() && holds) ++count;
  }
  return count;
}

}  // namespace

struct WaitingRoom::Waiter {
  Peer* peer = nullptr;
  std::shared_ptr<PeerChannel> channel;
  SteadyTime entered;
  std::uint32_t failed_rounds = 0;
  std::uint32_t extra_rounds = 0;
  SteadyTime round_ends;
  std::optional<SteadyTime> patient_until;
  bool patience_spent = false;
  SteadyTime timer = SteadyTime::max();  // As it stands in timers_.
};

WaitingRoom::WaitingRoom(const Options& options, const Evaluator& evaluator,
                         const DynamicConfigSource& dynamic_config, SchedulingMetrics& metrics,
                         Random random, OnFailure on_failure, Logger log)
    : options_(options),
      dynamic_config_(dynamic_config),
      metrics_(metrics),
      on_failure_(std::move(on_failure)),
      log_(std::move(log)),
      finder_(evaluator),
      random_(std::move(random)) {}

WaitingRoom::~WaitingRoom() = default;

void WaitingRoom::Enter(Peer& peer, std::shared_ptr<PeerChannel> channel, SteadyTime now) {
  Waiter waiter;
  waiter.peer = &peer;
  waiter.channel = std::move(channel);
  waiter.entered = now;
  waiter.round_ends = now + RoundOf(options_.retry, random_);
  ++peer.task().waiting_count;
  if (Attempt(waiter, now) == Result::kWaits) Keep(std::move(waiter));
}

void WaitingRoom::Keep(Waiter waiter) {
  auto kept = std::make_unique<Waiter>(std::move(waiter));
  Waiter& added = *kept;
  const bool fresh = waiters_.emplace(added.peer, std::move(kept)).second;
  DF_CHECK(fresh);
  by_task_[&added.peer->task()].push_back(&added);
  SetTimer(added);
}

WaitingRoom::Result WaitingRoom::Attempt(Waiter& waiter, SteadyTime now) {
  const Peer& peer = *waiter.peer;
  RetryState state;
  state.failed_rounds = waiter.failed_rounds;
  state.need_back_to_source = peer.need_back_to_source;
  state.can_back_to_source = peer.task().CanBackToSource();
  switch (NextStep(options_.retry, state)) {
    case RetryStep::kSourceByFlag:
      return SendToSource(waiter, kSourceByFlag, "it is to read the source", now);
    case RetryStep::kSourceAfterLimit:
      if (AnotherJustWent(waiter, now)) {
        ++waiter.extra_rounds;
        return Serve(waiter, now);
      }
      return SendToSource(waiter, kSourceAfterLimit, "it has waited long enough", now);
    case RetryStep::kGiveUp:
      Fail(waiter, absl::FailedPreconditionError("scheduling exceeded RetryLimit"), now);
      return Result::kSettled;
    case RetryStep::kFind:
      if (StuckTogether(peer, now)) {
        return SendToSource(waiter, kSourceAfterLimit, "nobody has what it lacks", now);
      }
      if (Serve(waiter, now) == Result::kSettled) return Result::kSettled;
      if (NobodyToWaitFor(peer)) {
        return SendToSource(waiter, kSourceAfterLimit, kNobodyToWaitFor, now);
      }
      return Result::kWaits;
  }
  return Result::kWaits;
}

WaitingRoom::Result WaitingRoom::Serve(Waiter& waiter, SteadyTime now) {
  Peer& peer = *waiter.peer;
  Task& task = peer.task();
  if (peer.trades()) {
    // It goes on with the others and adds to them.
    task.DetachFromBlocked(peer);
  } else {
    task.DetachFromParents(peer);
  }
  const auto config = dynamic_config_.current();
  ParentFinder::Limits limits;
  limits.filter_parent_limit = config->filter_parent_limit;
  limits.candidate_parent_limit = config->candidate_parent_limit;
  const auto candidates = finder_.Find(peer, limits, random_);
  const bool has_parents = !peer.parents().empty();
  if (!has_parents && (candidates.empty() || WorthWaiting(waiter, now))) return Result::kWaits;

  offered_.clear();
  for (const ParentFinder::Candidate& candidate : candidates) {
    if (task.AddFitEdge(*candidate.peer, peer).ok()) offered_.push_back(candidate);
  }
  if (offered_.empty()) {
    // Nobody else; the answer is due all the same.
    for (const Peer::Edge& edge : peer.parents()) offered_.push_back({edge.parent});
  }
  if (offered_.empty()) return Result::kWaits;
  if (!waiter.channel->SendParents(peer, offered_)) {
    task.DetachFromParents(peer);
    Fail(waiter, absl::FailedPreconditionError("load stream failed"), now);
    return Result::kSettled;
  }
  task.ToldParents(peer, now);
  LogChoice(waiter);
  Settle(waiter, absl::OkStatus(), now);
  return Result::kSettled;
}

// One line per task for everybody; the others are for whoever looks into one of them.
void WaitingRoom::LogChoice(const Waiter& waiter) const {
  const Peer& peer = *waiter.peer;
  Task& task = peer.task();
  const ParentFinder::Candidate& best = offered_.front();
  const bool first = !std::exchange(task.choice_logged, true);
  const LogLevel level = first ? LogLevel::kInfo : LogLevel::kDebug;
  if (!log_.Enabled(level)) return;
  log_.Log(level, "parents chosen",
           {{"task_id", task.id()},
            {"peer_id", peer.id()},
            {"parent_id", best.peer->id()},
            {"parent_state", Name(best.peer->state())},
            {"host_type", HostTypeName(best.peer->host_info().type)},
            {"score", best.score},
            {"parents", offered_.size()},
            {"possible_parents", task.possible_parent_count()},
            {"peers", task.peer_count()},
            {"rounds", waiter.failed_rounds}});
}

bool WaitingRoom::WorthWaiting(Waiter& waiter, SteadyTime now) const {
  const Task& task = waiter.peer->task();
  if (waiter.patience_spent || task.starting_count() < task.possible_parent_count() ||
      now - task.last_told_parents() > options_.spread_patience) {
    return false;
  }
  if (!waiter.patient_until.has_value()) waiter.patient_until = now + options_.spread_patience;
  return true;
}

bool WaitingRoom::StuckTogether(const Peer& peer, SteadyTime now) {
  return peer.trades() && peer.state() == PeerState::kRunning &&
         !peer.spec().disable_back_to_source && peer.task().CanBackToSource() &&
         peer.task().NobodyHasMore(peer, now);
}

bool WaitingRoom::NobodyToWaitFor(const Peer& peer) {
  const Task& task = peer.task();
  // A client that will not read the source is better off with the full time.
  if (task.seeding || peer.spec().disable_back_to_source || !task.CanBackToSource()) return false;
  const std::ptrdiff_t others = ActiveCount(task) - static_cast<std::ptrdiff_t>(task.waiting_count);
  if (others <= 0 || task.peer_count() > kFewPeers) return others <= 0;
  return others <= HoldersOnSameHost(peer);
}

bool WaitingRoom::AnotherJustWent(const Waiter& waiter, SteadyTime now) const {
  const auto& granted = waiter.peer->task().last_source_grant;
  return granted.has_value() && now - granted->at < options_.retry.retry_interval &&
         waiter.extra_rounds < options_.retry.retry_limit;
}

WaitingRoom::Result WaitingRoom::SendToSource(Waiter& waiter, std::string_view description,
                                              std::string_view why, SteadyTime now) {
  Peer& peer = *waiter.peer;
  if (!waiter.channel->SendBackToSource(description)) {
    Fail(waiter, absl::FailedPreconditionError("load stream failed"), now);
    return Result::kSettled;
  }
  if (!peer.spec().disable_back_to_source && !peer.host_info().disable_shared) {
    peer.task().last_source_grant = {peer.id(), now};
  }
  log_.Info("peer sent to the source", {{"task_id", peer.task().id()},
                                        {"peer_id", peer.id()},
                                        {"reason", why},
                                        {"rounds", waiter.failed_rounds},
                                        {"peers", peer.task().peer_count()}});
  Settle(waiter, absl::OkStatus(), now);
  return Result::kSettled;
}

void WaitingRoom::Settle(Waiter& waiter, absl::Status status, SteadyTime now) {
  const std::shared_ptr<PeerChannel> channel = std::move(waiter.channel);
  if (status.ok()) metrics_.Scheduled(now - waiter.entered);
  --waiter.peer->task().waiting_count;
  Remove(*waiter.peer);  // `waiter` may be gone from here on.
  channel->Settled(std::move(status));
}

void WaitingRoom::Fail(Waiter& waiter, absl::Status status, SteadyTime now) {
  log_.Warn(
      "peer got no parents",
      {{"task_id", waiter.peer->task().id()}, {"peer_id", waiter.peer->id()}, {"error", status}});
  Peer& peer = *waiter.peer;
  const std::shared_ptr<PeerChannel> channel = std::move(waiter.channel);
  // It no longer waits when on_failure_ changes the task: that serves who does.
  --peer.task().waiting_count;
  Remove(peer);  // `waiter` may be gone from here on.
  channel->Settled(on_failure_(peer, std::move(status), now));
}

void WaitingRoom::Remove(const Peer& peer) {
  const auto found = waiters_.find(&peer);
  if (found == waiters_.end()) return;
  Waiter* const waiter = found->second.get();
  timers_.erase({waiter->timer, waiter});
  const auto queue = by_task_.find(&peer.task());
  std::erase(queue->second, waiter);
  if (queue->second.empty()) by_task_.erase(queue);
  waiters_.erase(found);
}

bool WaitingRoom::Dismiss(const Peer& peer, absl::Status reason, SteadyTime now) {
  const auto found = waiters_.find(&peer);
  if (found == waiters_.end()) return false;
  Settle(*found->second, std::move(reason), now);
  return true;
}

void WaitingRoom::TaskChanged(Task& task, SteadyTime now) {
  if (task.waiting_count == 0) return;
  // Serving may fail a peer, which changes the task again.
  changed_while_serving_.push_back(&task);
  if (serving_) return;
  serving_ = true;
  while (!changed_while_serving_.empty()) {
    Task* const next = changed_while_serving_.back();
    changed_while_serving_.pop_back();
    ServeWaiting(*next, now);
  }
  serving_ = false;
}

void WaitingRoom::ServeWaiting(Task& task, SteadyTime now) {
  const auto queue = by_task_.find(&task);
  if (queue == by_task_.end()) return;
  const std::vector<Waiter*> waiting = queue->second;
  std::size_t vain = 0;
  for (Waiter* const waiter : waiting) {
    if (Serve(*waiter, now) == Result::kSettled) {
      vain = 0;
      continue;
    }
    SetTimer(*waiter);
    if (++vain == kVainTries) break;
  }
  const auto rest = by_task_.find(&task);
  if (rest == by_task_.end()) return;
  const auto first = std::ranges::find_if(
      rest->second, [](const Waiter* waiter) { return NobodyToWaitFor(*waiter->peer); });
  if (first != rest->second.end()) SendToSource(**first, kSourceAfterLimit, kNobodyToWaitFor, now);
}

void WaitingRoom::SetTimer(Waiter& waiter) {
  SteadyTime when = waiter.round_ends;
  if (waiter.patient_until.has_value()) when = std::min(when, *waiter.patient_until);
  if (when == waiter.timer) return;
  timers_.erase({waiter.timer, &waiter});
  waiter.timer = when;
  timers_.emplace(when, &waiter);
}

void WaitingRoom::Advance(SteadyTime now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Waiter& waiter = *timers_.begin()->second;
    Task& task = waiter.peer->task();
    if (waiter.patient_until.has_value() && *waiter.patient_until <= now) {
      waiter.patient_until.reset();
      waiter.patience_spent = true;
    }
    Result result = Result::kWaits;
    if (waiter.round_ends <= now) {
      ++waiter.failed_rounds;
      waiter.round_ends = now + RoundOf(options_.retry, random_);
      result = Attempt(waiter, now);
    } else {
      result = Serve(waiter, now);
    }
    if (result == Result::kSettled) {
      TaskChanged(task, now);
    } else {
      SetTimer(waiter);
    }
  }
}

std::optional<SteadyTime> WaitingRoom::NextDeadline() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

}  // namespace dragonfly::scheduler
