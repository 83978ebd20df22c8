#include "scheduler/selection/dispatcher.h"

#include <algorithm>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::scheduler {
namespace {

absl::Status NotFound(std::string_view what, std::string_view id) {
  return absl::NotFoundError(StrCat(what, " ", id, " not found"));
}

absl::Status PeerNotFound(const PeerKey& key) { return NotFound("peer", key.peer_id.str()); }

/// As a Go server words a status that it wraps into another one; clients log it.
absl::Status WrappedFailedPrecondition(const absl::Status& status) {
  return absl::FailedPreconditionError(
      StrCat("rpc error: code = FailedPrecondition desc = ", status.message()));
}

Priority ToPriority(std::int32_t value) {
  return value >= 0 && value <= 6 ? static_cast<Priority>(value) : Priority::kLevel0;
}

/// Nobody has the task, gets it or waits for it.
bool IsStalled(const Task& task) {
  if (task.state() != TaskState::kRunning || task.seeding) return false;
  std::size_t active = 0;
  for (const PeerState state :
       {PeerState::kReceivedEmpty, PeerState::kReceivedTiny, PeerState::kReceivedSmall,
        PeerState::kReceivedNormal, PeerState::kRunning, PeerState::kBackToSource,
        PeerState::kSucceeded}) {
    active += task.peer_count(state);
  }
  return active == 0;
}

}  // namespace

Dispatcher::Dispatcher(const Options& options, const Collaborators& collaborators, Random random)
    : with_(collaborators),
      swarm_(options.swarm),
      waiting_(options.waiting, with_.evaluator, with_.dynamic_config, with_.metrics,
               std::move(random),
               [this](Peer& peer, absl::Status status, SteadyTime now) {
                 const PeerKey key{peer.host().id(), peer.task().id(), peer.id()};
                 return FailAfter(key, WrappedFailedPrecondition(status), now);
               },
               with_.log) {
  if (options.keep_changes) swarm_.KeepChanges();
}

PeerLabels Dispatcher::LabelsOf(const Peer& peer) {
  return {peer.effective_priority, peer.task().spec().kind, peer.host_info().type};
}

absl::StatusOr<Peer*> Dispatcher::Require(const PeerKey& key) const {
  Task* const task = swarm_.Find(key.task_id);
  Peer* const peer = task == nullptr ? nullptr : task->Find(key.peer_id);
  if (peer == nullptr) return PeerNotFound(key);
  return peer;
}

void Dispatcher::Register(const PeerKey& key, Registration registration,
                          std::shared_ptr<PeerChannel> channel, SteadyTime now) {
  bool settles_later = false;
  const absl::Status status = TryRegister(key, registration, channel, now, settles_later);
  if (settles_later) return;
  channel->Settled(status.ok() ? status : FailAfter(key, status, now));
}

absl::Status Dispatcher::TryRegister(const PeerKey& key, Registration& registration,
                                     const std::shared_ptr<PeerChannel>& channel, SteadyTime now,
                                     bool& settles_later) {
  std::shared_ptr<Host> host = with_.hosts.Find(key.host_id);
  if (host == nullptr) return NotFound("host", key.host_id.str());

  Task* task = swarm_.Find(key.task_id);
  if (task == nullptr) {
    task = &swarm_.FindOrCreate(key.task_id, std::move(registration.task), now);
  } else {
    task->Refresh(std::move(registration.task));
  }
  Peer* peer = task->Find(key.peer_id);
  if (peer == nullptr) {
    registration.peer.id = key.peer_id;
    peer = &swarm_.AddPeer(*task, std::move(host), std::move(registration.peer), now);
    DropPredecessors(*peer, now);
  }
  const std::int32_t priority =
      EffectivePriority(*with_.dynamic_config.current(),
                        static_cast<std::int32_t>(peer->spec().priority), task->spec().application,
                        task->spec().url);
  peer->effective_priority = ToPriority(priority);
  const PeerLabels labels = LabelsOf(*peer);
  with_.metrics.PeerRegistered(labels);

  const auto advance_task = [&]() -> absl::Status {
    if (task->state() != TaskState::kRunning) return task->Apply(TaskEvent::kDownload, now);
    task->updated = now;
    return absl::OkStatus();
  };
  const auto proceed = [&]() -> absl::Status {
    if (registration.metadata_only) {
      RETURN_IF_ERROR(advance_task());
      RETURN_IF_ERROR(task->Apply(*peer, PeerEvent::kRegisterNormal, now));
      channel->SendMetadataOnly();
      return absl::OkStatus();
    }
    const RegistrationDecision decision = Decide(*task, *peer, registration, priority, now);
    RETURN_IF_ERROR(decision.status);
    if (decision.need_back_to_source) peer->need_back_to_source = true;
    RETURN_IF_ERROR(advance_task());
    if (decision.trigger_seed && !task->seeding) {
      task->seeding = true;
      with_.log.Info("seed peer triggered", {{"task_id", task->id()}, {"peer_id", peer->id()}});
      with_.seeds.Trigger({task->id(), std::move(registration.download)});
    }
    if (task->size_scope() == SizeScope::kEmpty) {
      RETURN_IF_ERROR(task->Apply(*peer, PeerEvent::kRegisterEmpty, now));
      channel->SendEmptyTask();
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(task->Apply(*peer, PeerEvent::kRegisterNormal, now));
    peer->Block(peer->id());
    settles_later = true;
    return absl::OkStatus();
  };
  const absl::Status status = proceed();
  if (!status.ok()) {
    with_.metrics.PeerRegisterFailed(labels);
    return status;
  }
  if (settles_later) waiting_.Enter(*peer, channel, now);
  return absl::OkStatus();
}

// A daemon has one download of a task at a time. Whoever is offered an earlier one whose conversation
// broke, because the daemon was restarted, reaches the new one, which may be waiting for him.
void Dispatcher::DropPredecessors(const Peer& peer, SteadyTime now) {
  for (Peer* const other : swarm_.PeersOn(peer.host(), peer.task())) {
    if (other != &peer && other->lost() && other->state() != PeerState::kSucceeded) {
      Remove(*other, now);
    }
  }
}

RegistrationDecision Dispatcher::Decide(const Task& task, const Peer& peer,
                                        const Registration& registration, std::int32_t priority,
                                        SteadyTime now) const {
  RegistrationFacts facts;
  facts.task_state = task.state();
  facts.need_back_to_source = registration.need_back_to_source;
  facts.host_type = peer.host_info().type;
  facts.priority = priority;
  facts.stalled = IsStalled(task);
  facts.seeds_available = task.policy().triggers_seed && with_.seeds.HasAvailable();
  // These two look at every peer of the task, so only when the answer matters.
  if (task.state() == TaskState::kSucceeded) facts.available_peer = task.HasAvailablePeer(peer);
  if (facts.seeds_available && (task.state() != TaskState::kRunning || facts.stalled)) {
    facts.seed_peer_failed = task.SeedPeerFailed(now);
  }
  return DecideRegistration(facts);
}

absl::Status Dispatcher::FailAfter(const PeerKey& key, absl::Status cause, SteadyTime now) {
  RETURN_IF_ERROR(Failed(key, now));
  return cause;
}

void Dispatcher::Reschedule(const PeerKey& key, std::span<const PeerId> used_parents,
                            std::shared_ptr<PeerChannel> channel, SteadyTime now) {
  const absl::StatusOr<Peer*> peer = Require(key);
  if (!peer.ok()) {
    channel->Settled(peer.status());
    return;
  }
  if (waiting_.IsWaiting(**peer)) {
    // Two conversations of one peer.
    channel->Settled(absl::FailedPreconditionError("peer is being scheduled already"));
    return;
  }
  for (const PeerId& parent : used_parents) (*peer)->Block(parent);
  waiting_.Enter(**peer, std::move(channel), now);
}

absl::Status Dispatcher::Started(const PeerKey& key, SteadyTime now) {
  const absl::StatusOr<Peer*> found = Require(key);
  if (!found.ok()) return FailAfter(key, found.status(), now);
  Peer& peer = **found;
  const PeerLabels labels = LabelsOf(peer);
  with_.metrics.PeerStarted(labels);
  if (peer.state() == PeerState::kRunning) return absl::OkStatus();
  if (absl::Status status = peer.task().Apply(peer, PeerEvent::kDownload, now); !status.ok()) {
    with_.metrics.PeerStartFailed(labels);
    return FailAfter(key, std::move(status), now);
  }
  waiting_.TaskChanged(peer.task(), now);
  return absl::OkStatus();
}

absl::Status Dispatcher::BackToSourceStarted(const PeerKey& key, SteadyTime now) {
  const auto fail = [&](const absl::Status& cause) -> absl::Status {
    RETURN_IF_ERROR(BackToSourceFailed(key, now));
    return cause;
  };
  const absl::StatusOr<Peer*> found = Require(key);
  if (!found.ok()) return fail(found.status());
  Peer& peer = **found;
  const PeerLabels labels = LabelsOf(peer);
  with_.metrics.BackToSourceStarted(labels);
  // It keeps its place: whoever gets pieces from it goes on.
  if (peer.state() == PeerState::kRunning) return absl::OkStatus();
  if (absl::Status status = peer.task().Apply(peer, PeerEvent::kDownloadBackToSource, now);
      !status.ok()) {
    with_.metrics.BackToSourceStartFailed(labels);
    return fail(status);
  }
  waiting_.TaskChanged(peer.task(), now);
  return absl::OkStatus();
}

absl::Status Dispatcher::Finished(const PeerKey& key, SteadyTime now) {
  ASSIGN_OR_RETURN(Peer* const peer, Require(key));
  peer->cost = now - peer->created();
  RETURN_IF_ERROR(peer->task().Apply(*peer, PeerEvent::kDownloadSucceeded, now));
  with_.metrics.PeerEnded(LabelsOf(*peer));
  with_.metrics.PeerSucceeded(peer->task().spec().content_length, peer->cost);
  waiting_.TaskChanged(peer->task(), now);
  return absl::OkStatus();
}

absl::Status Dispatcher::BackToSourceFinished(const PeerKey& key, SteadyTime now) {
  const absl::StatusOr<Peer*> found = Require(key);
  const auto finish = [&]() -> absl::Status {
    RETURN_IF_ERROR(found.status());
    Peer& peer = **found;
    Task& task = peer.task();
    peer.cost = now - peer.created();
    RETURN_IF_ERROR(task.Apply(peer, PeerEvent::kDownloadSucceeded, now));
    // A part of the content says nothing about the whole.
    if (!peer.spec().range.has_value() && task.state() != TaskState::kSucceeded) {
      RETURN_IF_ERROR(task.Apply(TaskEvent::kDownloadSucceeded, now));
    }
    with_.metrics.PeerEnded(LabelsOf(peer));
    with_.metrics.PeerSucceeded(task.spec().content_length, peer.cost);
    waiting_.TaskChanged(task, now);
    return absl::OkStatus();
  };
  const absl::Status status = finish();
  if (status.ok()) return status;
  RETURN_IF_ERROR(BackToSourceFailed(key, now));
  return status;
}

absl::Status Dispatcher::Failed(const PeerKey& key, SteadyTime now) {
  ASSIGN_OR_RETURN(Peer* const peer, Require(key));
  RETURN_IF_ERROR(peer->task().Apply(*peer, PeerEvent::kDownloadFailed, now));
  with_.metrics.PeerEnded(LabelsOf(*peer));
  with_.metrics.PeerFailed(LabelsOf(*peer));
  waiting_.TaskChanged(peer->task(), now);
  return absl::OkStatus();
}

absl::Status Dispatcher::BackToSourceFailed(const PeerKey& key, SteadyTime now) {
  ASSIGN_OR_RETURN(Peer* const peer, Require(key));
  Task& task = peer->task();
  RETURN_IF_ERROR(task.Apply(*peer, PeerEvent::kDownloadFailed, now));
  task.ForgetSizes();
  const absl::Status status = task.Apply(TaskEvent::kDownloadFailed, now);
  waiting_.TaskChanged(task, now);
  RETURN_IF_ERROR(status);
  with_.metrics.PeerEnded(LabelsOf(*peer));
  with_.metrics.BackToSourceFailed(LabelsOf(*peer));
  return absl::OkStatus();
}

void Dispatcher::Disconnected(const PeerKey& key, SteadyTime now) {
  const absl::StatusOr<Peer*> peer = Require(key);
  if (!peer.ok()) return;
  Task& task = (*peer)->task();
  task.Lost(**peer);
  if (waiting_.Dismiss(**peer, absl::CancelledError("client went away"), now)) {
    Failed(key, now).IgnoreError();
  } else if (IsReceived((*peer)->state()) && task.Apply(**peer, PeerEvent::kLeave, now).ok()) {
    waiting_.TaskChanged(task, now);
  }
}

}  // namespace dragonfly::scheduler
