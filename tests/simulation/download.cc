// The child's side of a download: what dfdaemon/task does around the real decisions. Each function
// names the rule it stands for.

#include <algorithm>

#include "tests/simulation/world.h"

namespace dragonfly::simulation {
namespace {

using dfdaemon::NextStep;
using dfdaemon::RoundView;
using std::chrono::milliseconds;
using std::chrono::seconds;

// As in dfdaemon/task/round.cc, round_transfers.cc and parent_links.cc.
constexpr int kEnoughParents = 5;
constexpr int kMostParents = 12;
constexpr auto kStalled = seconds(10);
constexpr auto kLongestRefresh = seconds(10);
constexpr auto kSilenceWithOthers = seconds(4);
constexpr auto kPromptly = milliseconds(20);
constexpr auto kAgain = milliseconds(100);
constexpr double kNearlyDone = 0.75;
constexpr auto kMeasured = milliseconds(50);
constexpr auto kWatchEvery = milliseconds(500);
constexpr int kConcurrentPieces = 8;
constexpr auto kCollectedPieceTimeout = seconds(360);
constexpr std::uint32_t kFailuresAllowed = 2;
// How old the load of a parent is that its child knows.
constexpr auto kLoadEvery = seconds(1);

}  // namespace

std::optional<ParentSlot> World::SlotOf(const Download& child, std::uint32_t parent) const {
  std::optional<ParentSlot> found;
  child.alive.ForEach([&](ParentSlot slot) {
    if (child.parents[slot].download == parent) found = slot;
  });
  return found;
}

int World::Waiting(const Download& download) const {
  return static_cast<int>(
      std::ranges::count_if(download.jobs, [](const Job& job) { return !job.sender; }));
}

// ParentLinks::Follow: silence ends a stream.
bool World::Open(const Parent& parent) const {
  return parent.streams && now_ - parent.heard < kCollectedPieceTimeout;
}

// Round::OnDecision, ParentLinks::Add.
void World::AnswerReached(std::uint32_t number, const Answer& answer) {
  Download& self = downloads_[number];
  if (nodes_[self.node].dead || self.done) return;
  self.asked = false;
  if (answer.source) {
    self.refreshing = false;
    self.source_granted = true;
    PlanStep(number);
    return;
  }
  (void)dispatcher_->Started(KeyOf(number), now_);
  std::size_t added = 0;
  for (const std::uint32_t parent : answer.parents) {
    if (std::ranges::find(self.used, parent) == self.used.end()) self.used.push_back(parent);
    const std::uint32_t host = downloads_[parent].node;
    if (host == self.node || nodes_[self.node].blocklist.Blocked(HostOf(host), now_)) continue;
    if (const auto known = SlotOf(self, parent)) {
      if (!Open(self.parents[*known])) Later(EventKind::kSubscribe, parent, number);
      self.parents[*known].heard = now_;
      continue;
    }
    const auto slot = self.set.Add(host == 0);
    if (!slot) continue;
    if (self.parents.size() <= *slot) self.parents.resize(*slot + std::size_t{1});
    self.parents[*slot] = Parent{parent, 0, 0, true, now_};
    self.alive.Add(*slot);
    self.set.SetLoad(*slot, {static_cast<std::uint64_t>(nodes_[host].up.nominal * 8), 0});
    Later(EventKind::kSubscribe, parent, number);
    ++added;
  }
  if (!std::exchange(self.refreshing, false)) ++self.fruitless;
  if (added == 0) self.refresh = std::min<Duration>(self.refresh * 2, kLongestRefresh);
  self.next_refresh = now_ + self.refresh;
  PlanStep(number);
}

// SyncPieces in dfdaemon/rpc.
void World::Subscribed(std::uint32_t parent, std::uint32_t child) {
  Download& self = downloads_[parent];
  if (nodes_[self.node].dead) {
    Later(EventKind::kStreamEnd, child, parent);
    return;
  }
  if (std::ranges::find(self.children, child) == self.children.end())
    self.children.push_back(child);
  Later(EventKind::kOffers, child, parent);
}

void World::Offers(std::uint32_t child, std::uint32_t parent) {
  Download& self = downloads_[child];
  const auto slot = SlotOf(self, parent);
  if (!slot || self.done) return;
  const Download& from = downloads_[parent];
  for (PieceNumber piece = 0; piece < pieces_; ++piece) {
    if (from.picker.here(piece) || from.coming[piece] != 0) self.picker.Offer(piece, *slot);
  }
  PlanStep(child);
}

void World::Offer(std::uint32_t child, std::uint32_t parent, PieceNumber piece) {
  Download& self = downloads_[child];
  const auto slot = SlotOf(self, parent);
  if (!slot || self.done) return;
  self.parents[*slot].heard = now_;
  self.picker.Offer(piece, *slot);
  if (!self.picker.here(piece)) PlanStep(child);
}

// ParentLinks::StreamEnded.
void World::StreamEnded(std::uint32_t child, std::uint32_t parent) {
  Download& self = downloads_[child];
  const auto slot = SlotOf(self, parent);
  if (!slot || self.done) return;
  self.parents[*slot].streams = false;
  CountFailure(child, *slot);
  PlanStep(child);
}

void World::PlanStep(std::uint32_t number) {
  Download& self = downloads_[number];
  if (self.step_planned || self.done || self.failed) return;
  self.step_planned = true;
  At(now_, EventKind::kStep, number);
}

// Round::Step, Round::View and Round::Take.
void World::Step(std::uint32_t number) {
  Download& self = downloads_[number];
  self.step_planned = false;
  if (self.done || self.failed || nodes_[self.node].dead) return;
  UpdateLoads(self);
  if (now_ - self.watch_at >= kWatchEvery) Watch(number);
  Pump(number);
  const NextStep step = dfdaemon::DecideNextStep(View(self));
  switch (step) {
    case NextStep::kFinish:
      Finish(number);
      return;
    case NextStep::kAskForMoreParents:
    case NextStep::kReschedule: {
      self.refreshing = step == NextStep::kAskForMoreParents;
      self.next_refresh = SteadyTime::max();
      self.asked = true;
      const auto list = std::exchange(self.refreshing ? self.retired : self.used, {});
      self.retired.clear();
      Reschedule(number, list);
      break;
    }
    case NextStep::kReadSource:
      self.source = true;
      (void)dispatcher_->BackToSourceStarted(KeyOf(number), now_);
      Pump(number);
      break;
    case NextStep::kGiveUpOnScheduler:
    case NextStep::kFail:
    case NextStep::kWait:
      break;
  }
  PlanTick(number);
}

RoundView World::View(const Download& self) const {
  RoundView view;
  view.all_here = self.picker.missing() == 0;
  view.moving =
      self.picker.in_flight() > 0 || self.picker.AnyOffered(self.set.Available() & self.alive);
  int peers = 0;
  self.alive.ForEach([&](ParentSlot slot) {
    view.parents_open = view.parents_open || Open(self.parents[slot]);
    peers += downloads_[self.parents[slot].download].node == 0 ? 0 : 1;
  });
  view.reading_source = self.source;
  view.source_allowed = true;
  view.source_granted = self.source_granted;
  const bool stalled = now_ - self.last_progress >= kStalled;
  const auto coming = static_cast<int>(self.jobs.size()) - Waiting(self);
  view.more_parents_wanted = now_ >= self.next_refresh &&
                             peers < (stalled ? kMostParents : kEnoughParents) &&
                             self.picker.missing() > static_cast<PieceNumber>(coming);
  view.scheduler = self.asked ? RoundView::Scheduler::kAsked : RoundView::Scheduler::kIdle;
  view.fruitless_answers = self.fruitless;
  return view;
}

// SyncHost, about a second old.
void World::UpdateLoads(Download& self) {
  self.alive.ForEach([&](ParentSlot slot) {
    Node& host = nodes_[downloads_[self.parents[slot].download].node];
    if (now_ - host.load_at >= kLoadEvery) {
      host.load_at = now_;
      host.load = host.up.rate * 8;
    }
    self.set.SetLoad(slot, {static_cast<std::uint64_t>(host.up.nominal * 8),
                            static_cast<std::uint64_t>(host.load)});
  });
}

// Round::MayReceive.
bool World::MayReceive(Download& self, int more) {
  int coming = 0;
  int nearly = 0;
  for (const Job& job : self.jobs) {
    if (!job.sender) continue;
    ++coming;
    Ask& ask = *Find(*job.sender);
    SettleAsk(ask);
    if (ask.sent >= kNearlyDone * piece_bytes_) ++nearly;
  }
  const int own = coming - nearly + more;
  if (own <= 0) return true;
  if (own >= kConcurrentPieces) return false;
  Node& node = nodes_[self.node];
  SettleDown(node);
  const int active = static_cast<int>(node.downlink.active()) + more - nearly;
  return node.downlink.MayBegin(now_, static_cast<std::uint64_t>(piece_bytes_),
                                static_cast<std::uint32_t>(std::max(active, 0)));
}

// Round::Pump.
void World::Pump(std::uint32_t number) {
  Download& self = downloads_[number];
  if (self.contended && Waiting(self) > 0 && !MayReceive(self, 0)) {
    for (const Job& job : std::vector<Job>(self.jobs)) {
      if (job.sender) continue;
      for (const AskId id : job.asks) Stop(id);
    }
    return;
  }
  while (MayReceive(self, Waiting(self))) {
    if (!AskOne(number)) break;
  }
  AskEverybody(number);
}

bool World::AskOne(std::uint32_t number) {
  Download& self = downloads_[number];
  ParentMask available = self.set.Available() & self.alive;
  if (self.contended) available = available - self.asked_of;
  if (const auto piece = self.picker.PickRarest(available, random_)) {
    const auto slot = self.set.Choose(self.picker.offers(*piece) & available, random_);
    if (!slot) return false;
    SendAsk(number, *piece, slot);
    return true;
  }
  if (!self.source) return false;
  const auto piece = self.picker.PickUnoffered(self.alive);
  if (!piece) return false;
  SendAsk(number, *piece, std::nullopt);
  return true;
}

void World::AskEverybody(std::uint32_t number) {
  Download& self = downloads_[number];
  std::vector<PieceNumber> waits;
  bool late = false;
  for (const Job& job : self.jobs) {
    if (job.sender) continue;
    waits.push_back(job.piece);
    for (const AskId id : job.asks) {
      const Ask& ask = *Find(id);
      late = late || (ask.parent != kOrigin && (self.contended || now_ - ask.since >= kPromptly));
    }
  }
  if (!late) return;
  self.contended = true;
  const ParentMask available = self.set.Available() & self.alive;
  (available - self.asked_of).ForEach([&](ParentSlot slot) {
    const auto piece = self.picker.PickRarestOf(slot, available, waits, random_);
    if (!piece) return;
    if (std::ranges::find(waits, *piece) == waits.end()) waits.push_back(*piece);
    SendAsk(number, *piece, slot);
  });
}

void World::SendAsk(std::uint32_t number, PieceNumber piece, std::optional<ParentSlot> slot) {
  Download& self = downloads_[number];
  auto job = std::ranges::find(self.jobs, piece, &Job::piece);
  if (job == self.jobs.end()) {
    self.picker.Start(piece);
    job = self.jobs.insert(self.jobs.end(), Job{piece, {}, {}});
  }
  const AskId id = NewAsk();
  Ask& ask = *Find(id);
  ask.child = number;
  ask.parent = slot ? self.parents[*slot].download : kOrigin;
  ask.slot = slot.value_or(0);
  ask.piece = piece;
  ask.since = now_;
  job->asks.push_back(id);
  if (slot) {
    self.set.Started(*slot);
    self.asked_of.Add(*slot);
    ++self.parents[*slot].asks;
  }
  Later(EventKind::kAsk, 0, 0, id);
}

void World::Answered(Download& self, ParentSlot slot) {
  if (--self.parents[slot].asks == 0) self.asked_of.Remove(slot);
}

// Round::AskEnded after Round::Stop: the child forgets it at once, the parent a moment later.
void World::Stop(AskId id) {
  Ask& ask = *Find(id);
  Download& self = downloads_[ask.child];
  ask.stopping = true;
  const auto job = std::ranges::find(self.jobs, ask.piece, &Job::piece);
  std::erase(job->asks, id);
  const bool was_sender = job->sender == id;
  if (ask.parent != kOrigin) {
    if (!was_sender) Answered(self, ask.slot);
    self.set.Failed(ask.slot);
    Release(self, ask.slot);
  }
  if (was_sender || job->asks.empty()) {
    if (was_sender) {
      SettleDown(nodes_[self.node]);
      nodes_[self.node].downlink.Ended(now_);
      self.coming[ask.piece] = 0;
    }
    self.picker.Fail(ask.piece);
    self.jobs.erase(job);
    if (was_sender) PassedOn(ask.child, Find(id)->piece, false);
  }
  Later(EventKind::kStop, 0, 0, id);
}

// Round::Begun, and who hears of a piece that comes (docs/decisions/0003).
void World::FirstByte(AskId id) {
  Ask* const ask = Find(id);
  if (ask == nullptr || ask->stopping) return;
  const std::uint32_t number = ask->child;
  Download& self = downloads_[number];
  const auto job = std::ranges::find(self.jobs, ask->piece, &Job::piece);
  if (job->sender) return;
  job->sender = id;
  ask->began = self.last_progress = now_;
  Node& node = nodes_[self.node];
  SettleDown(node);
  node.downlink.Began(now_);
  const PieceNumber piece = ask->piece;
  if (ask->parent != kOrigin) {
    self.contended = now_ - ask->since >= kPromptly;
    Answered(self, ask->slot);
    self.coming[piece] = id;
    for (const std::uint32_t child : self.children) Later(EventKind::kOffer, child, number, piece);
  }
  for (const AskId other : std::vector<AskId>(job->asks)) {
    if (other != id) Stop(other);
  }
  PlanStep(number);
}

// Round::Arrived.
void World::Arrived(AskId id) {
  Ask* const found = Find(id);
  if (found == nullptr || found->stopping) return;
  const Ask ask = *found;
  Download& self = downloads_[ask.child];
  Node& node = nodes_[self.node];
  SettleDown(node);
  node.downlink.Ended(now_);
  std::erase_if(self.jobs, [&](const Job& job) { return job.piece == ask.piece; });
  self.picker.Finish(ask.piece);
  self.have[ask.piece / 64] |= std::uint64_t{1} << (ask.piece % 64);
  self.last_progress = now_;
  self.fruitless = 0;
  if (ask.parent != kOrigin) {
    self.set.Received(ask.slot, static_cast<std::uint64_t>(piece_bytes_), now_ - ask.began);
    self.parents[ask.slot].failures = 0;
    node.blocklist.Succeeded(HostOf(downloads_[ask.parent].node));
    Release(self, ask.slot);
  }
  Report(ask);
  self.coming[ask.piece] = 0;
  Free(id);
  if (ask.parent == kOrigin) {
    for (const std::uint32_t child : self.children) {
      Later(EventKind::kOffer, child, ask.child, ask.piece);
    }
  } else {
    PassedOn(ask.child, ask.piece, true);
  }
  PlanStep(ask.child);
}

// Round::AskEnded and ParentLinks::Failed.
void World::AskFailed(AskId id) {
  Ask* const found = Find(id);
  if (found == nullptr || found->stopping) return;
  const Ask ask = *found;
  Free(id);
  Download& self = downloads_[ask.child];
  const auto job = std::ranges::find(self.jobs, ask.piece, &Job::piece);
  std::erase(job->asks, id);
  const bool was_sender = job->sender == id;
  if (!was_sender) Answered(self, ask.slot);
  if (was_sender || job->asks.empty()) {
    if (was_sender) {
      SettleDown(nodes_[self.node]);
      nodes_[self.node].downlink.Ended(now_);
      self.coming[ask.piece] = 0;
    }
    self.picker.Fail(ask.piece);
    self.jobs.erase(job);
    if (was_sender) PassedOn(ask.child, ask.piece, false);
  }
  self.picker.Withdraw(ask.piece, ask.slot);
  (void)dispatcher_->PieceFailed(KeyOf(ask.child), KeyOf(ask.parent).peer_id, true, now_);
  if (!ask.not_found) CountFailure(ask.child, ask.slot);
  self.set.Failed(ask.slot);
  Release(self, ask.slot);
  PlanStep(ask.child);
}

void World::CountFailure(std::uint32_t number, ParentSlot slot) {
  Download& self = downloads_[number];
  if (!self.alive.Has(slot)) return;
  Parent& parent = self.parents[slot];
  ++parent.failures;
  const bool blocked =
      nodes_[self.node].blocklist.Failed(HostOf(downloads_[parent.download].node), now_);
  if (blocked || parent.failures >= kFailuresAllowed) Retire(self, slot);
}

void World::Retire(Download& self, ParentSlot slot) {
  self.alive.Remove(slot);
  self.picker.WithdrawAll(slot);
  self.retired.push_back(self.parents[slot].download);
  Release(self, slot);
}

void World::Release(Download& self, ParentSlot slot) {
  if (self.alive.Has(slot) || !self.set.all().Has(slot) || self.set.in_flight(slot) > 0) return;
  self.set.Remove(slot);
}

// Round::WatchTransfers.
void World::Watch(std::uint32_t number) {
  Download& self = downloads_[number];
  self.watch_at = now_;
  const bool tail = static_cast<int>(self.jobs.size()) < kConcurrentPieces &&
                    !self.picker.AnyOffered(self.set.Available() & self.alive);
  if (!tail) return;
  for (const Job& job : std::vector<Job>(self.jobs)) {
    if (!job.sender) continue;
    Ask& ask = *Find(*job.sender);
    if (ask.parent == kOrigin) continue;
    SettleAsk(ask);
    dfdaemon::ParentSet::Transfer transfer;
    transfer.parent = ask.slot;
    transfer.length = static_cast<std::uint64_t>(piece_bytes_);
    transfer.received = static_cast<std::uint64_t>(ask.sent);
    transfer.elapsed = now_ - ask.began;
    transfer.silent = ask.rate > 0 ? Duration{0} : transfer.elapsed;
    const auto offering = self.picker.offers(job.piece) & self.alive;
    if (!self.set.Replacement(transfer, offering, random_)) continue;
    self.picker.Withdraw(job.piece, ask.slot);
    if (transfer.silent >= kSilenceWithOthers) CountFailure(number, ask.slot);
    Stop(*job.sender);
  }
}

// Round::NextTick.
void World::PlanTick(std::uint32_t number) {
  Download& self = downloads_[number];
  SteadyTime next = SteadyTime::max();
  if (!self.jobs.empty()) next = now_ + kWatchEvery;
  const bool more = self.picker.missing() > self.picker.in_flight();
  for (const Job& job : self.jobs) {
    if (!job.sender) {
      next = std::min<SteadyTime>(next, now_ + (self.contended ? kAgain : kPromptly));
    } else if (more) {
      const Ask& ask = *Find(*job.sender);
      const double rest = kNearlyDone * piece_bytes_ - ask.sent;
      const double left = ask.rate > 0 ? rest / ask.rate : 1;
      const double wait = std::clamp(left, ToSeconds(kMeasured), ToSeconds(kWatchEvery));
      next = std::min(
          next, now_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait)));
    }
  }
  if (!self.asked) {
    if (self.next_refresh > now_) next = std::min(next, self.next_refresh);
    const SteadyTime stalls = self.last_progress + kStalled;
    if (stalls > now_) next = std::min<SteadyTime>(next, stalls);
  }
  if (next >= self.tick && self.tick > now_) return;  // Looks again then anyway.
  self.tick = next;
  if (next != SteadyTime::max()) At(next, EventKind::kTick, number);
}

void World::Finish(std::uint32_t number) {
  Download& self = downloads_[number];
  self.done = true;
  self.ended = now_;
  const scheduler::PeerKey key = KeyOf(number);
  (void)(self.source ? dispatcher_->BackToSourceFinished(key, now_)
                     : dispatcher_->Finished(key, now_));
  self.alive.ForEach([&](ParentSlot slot) {
    std::erase(downloads_[self.parents[slot].download].children, number);
  });
  if (self.node == 0) {
    BeginLayers(0);
    return;
  }
  const std::size_t count = nodes_.size();
  bool all = true;
  for (std::size_t layer = 0; layer < scenario_.layers; ++layer) {
    all = all && downloads_[layer * count + self.node].done;
  }
  if (all) --open_;
  BeginLayers(self.node);
}

}  // namespace dragonfly::simulation
