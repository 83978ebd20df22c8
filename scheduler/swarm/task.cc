#include "scheduler/swarm/task.h"

#include <algorithm>
#include <chrono>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace dragonfly::scheduler {
namespace {

// Go scheduler/resource/standard/task.go, v2.4.0.
constexpr Duration kSeedFailureRemembered = std::chrono::minutes(30);

// Reading a piece from the source takes no longer, mostly.
constexpr Duration kSourceBringsMore = std::chrono::seconds(10);

template <class Event, class State>
absl::Status Inappropriate(Event event, State state) {
  return absl::InternalError(
      StrCat("event ", Name(event), " inappropriate in current state ", Name(state)));
}

absl::Status Cycle() { return absl::InternalError("cycle between vertices"); }

bool HasPiecesOrSoonWill(PeerState state) {
  return state == PeerState::kRunning || state == PeerState::kBackToSource ||
         state == PeerState::kSucceeded;
}

UploadShare ShareOf(const Task& task, const Peer& child) {
  const std::uint64_t pieces = child.spec().concurrent_piece_count;
  UploadShare share;
  share.tx_bandwidth = task.spec().piece_length * pieces * 8;
  share.piece_count = child.spec().concurrent_piece_count;
  share.content_length =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, task.spec().content_length));
  return share;
}

}  // namespace

Task::~Task() {
  // Hosts outlive the task, and so do the counters that its edges added.
  for (const auto& peer : peers_) DetachFromParents(*peer);
}

void Task::Refresh(TaskSpec spec) {
  spec_.url = std::move(spec.url);
  spec_.filtered_query_params = std::move(spec.filtered_query_params);
  if (spec_.content_length < 0) {
    spec_.content_length = spec.content_length;
    spec_.piece_count = spec.piece_count;
  }
  Changed();
}

void Task::ForgetSizes() {
  spec_.content_length = -1;
  spec_.piece_count = 0;
  Changed();
}

void Task::Changed() {
  // Of a task that nobody has nothing is written down.
  if (changes_ != nullptr && note.written) changes_->Note(*this);
}

absl::Status Task::Apply(TaskEvent event, SteadyTime now) {
  const std::optional<TaskState> next = After(state_, event);
  if (!next.has_value()) return Inappropriate(event, state_);
  state_ = *next;
  updated = now;
  Changed();
  return absl::OkStatus();
}

Peer* Task::Find(std::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

Peer& Task::Add(std::unique_ptr<Peer> peer) {
  Peer& added = *peer;
  added.slot_ = static_cast<std::uint32_t>(peers_.size());
  peers_.push_back(std::move(peer));
  by_id_.emplace(std::string_view(added.id().str()), &added);
  ++by_state_[static_cast<std::size_t>(added.state_)];
  if (!added.trades()) ++not_trading_count_;
  if (added.seed()) seeds_.push_back(&added);
  return added;
}

void Task::Remove(Peer& peer) {
  DetachFromParents(peer);
  DetachFromChildren(peer);
  ClearStarting(peer);
  if (peer.on_source_) --back_to_source_count_;
  if (!peer.trades()) --not_trading_count_;
  if (peer.seed()) std::erase(seeds_, &peer);
  --by_state_[static_cast<std::size_t>(peer.state_)];
  by_id_.erase(std::string_view(peer.id().str()));
  Place(peer, false);
  SwapSlots(peer.slot_, peers_.size() - 1);
  if (changes_ != nullptr) changes_->Forget(peer);
  peers_.pop_back();
}

void Task::SwapSlots(std::size_t a, std::size_t b) {
  if (a == b) return;
  std::swap(peers_[a], peers_[b]);
  peers_[a]->slot_ = static_cast<std::uint32_t>(a);
  peers_[b]->slot_ = static_cast<std::uint32_t>(b);
  if (changes_ == nullptr || !changes_->notes_moves) return;
  changes_->Note(*peers_[a]);
  changes_->Note(*peers_[b]);
}

void Task::Place(Peer& peer, bool possible_parent) {
  if (possible_parent == IsPossibleParent(peer)) return;
  if (possible_parent) {
    SwapSlots(peer.slot_, possible_parents_++);
  } else {
    SwapSlots(peer.slot_, --possible_parents_);
  }
}

void Task::SetState(Peer& peer, PeerState state) {
  --by_state_[static_cast<std::size_t>(peer.state_)];
  peer.state_ = state;
  Place(peer, HasPiecesOrSoonWill(state));
  ++by_state_[static_cast<std::size_t>(state)];
  Changed(peer);
}

void Task::ClearStarting(Peer& peer) {
  if (!std::exchange(peer.starting_, false)) return;
  --starting_count_;
}

absl::Status Task::Apply(Peer& peer, PeerEvent event, SteadyTime now) {
  const std::optional<PeerState> next = After(peer.state_, event);
  if (!next.has_value()) return Inappropriate(event, peer.state_);
  SetState(peer, *next);
  ClearStarting(peer);
  if (event != PeerEvent::kLeave) peer.updated = now;

  const bool was_on_source = peer.on_source_;
  switch (event) {
    case PeerEvent::kDownloadBackToSource:
      peer.on_source_ = true;
      ++back_to_source_count_;
      DetachFromParents(peer);
      break;
    case PeerEvent::kDownloadSucceeded:
      peer_failed_count = 0;
      DetachFromParents(peer);
      break;
    case PeerEvent::kDownloadFailed:
      if (was_on_source) ++peer_failed_count;
      DetachFromParents(peer);
      break;
    case PeerEvent::kLeave:
      DetachFromParents(peer);
      break;
    default:
      break;
  }
  if (was_on_source && peer.state_ != PeerState::kBackToSource) {
    peer.on_source_ = false;
    --back_to_source_count_;
  }
  return absl::OkStatus();
}

std::span<Peer* const> Task::Sample(std::size_t count, Random& random) {
  sample_.clear();
  // Robert Floyd's way, in Bentley and Saxe's column: as many draws as are wanted, and the list
  // stays as it is.
  const std::size_t drawn = std::min(count, possible_parents_);
  for (std::size_t i = possible_parents_ - drawn; i < possible_parents_; ++i) {
    Peer* peer = peers_[random.Below(i + 1)].get();
    if (std::ranges::find(sample_, peer) != sample_.end()) peer = peers_[i].get();
    sample_.push_back(peer);
  }
  return sample_;
}

bool Task::HasEdge(const Peer& parent, const Peer& child) {
  return std::ranges::any_of(child.parents_,
                             [&](const Peer::Edge& edge) { return edge.parent == &parent; });
}

void Task::MarkUnfit(Peer& peer) {
  // Two marks a walk: reached by those that trade only, and unfit.
  mark_ += 2;
  if (mark_ < 2) {
    // After 2^31 walks old marks would look new.
    for (const auto& other : peers_) other->mark_ = 0;
    mark_ = 2;
  }
  peer.mark_ = mark_;
  if (not_trading_count_ == 0) return;
  const std::uint32_t reached = mark_ - 1;
  walk_.assign(1, {&peer, peer.trades()});
  while (!walk_.empty()) {
    const auto [at, trading] = walk_.back();
    walk_.pop_back();
    for (Peer* const child : at->children_) {
      const bool fit = trading && child->trades();
      const std::uint32_t mark = fit ? reached : mark_;
      if (child->mark_ >= mark) continue;
      child->mark_ = mark;
      walk_.emplace_back(child, fit);
    }
  }
}

absl::Status Task::AddEdge(Peer& parent, Peer& child) {
  if (&parent == &child) return Cycle();
  if (!child.children_.empty() && !parent.parents_.empty()) {
    MarkUnfit(child);
    if (IsMarked(parent)) return Cycle();
  }
  return AddFitEdge(parent, child);
}

absl::Status Task::AddFitEdge(Peer& parent, Peer& child) {
  if (HasEdge(parent, child)) return Cycle();
  const UploadShare share = ShareOf(*this, child);
  child.parents_.push_back({&parent, share});
  parent.children_.push_back(&child);
  parent.host().AddUpload(share);
  return absl::OkStatus();
}

void Task::DetachFromParents(Peer& child) {
  ClearStarting(child);
  for (const Peer::Edge& edge : child.parents_) LetGo(edge, child);
  child.parents_.clear();
}

void Task::LetGo(const Peer::Edge& edge, Peer& child) {
  std::erase(edge.parent->children_, &child);
  edge.parent->host().RemoveUpload(edge.share);
}

void Task::DetachFromBlocked(Peer& child) {
  std::erase_if(child.parents_, [&](const Peer::Edge& edge) {
    if (!child.Blocks(*edge.parent)) return false;
    LetGo(edge, child);
    return true;
  });
}

void Task::DetachFromChildren(Peer& parent) {
  for (Peer* const child : parent.children_) {
    std::erase_if(child->parents_, [&](const Peer::Edge& edge) {
      if (edge.parent != &parent) return false;
      parent.host().RemoveUpload(edge.share);
      return true;
    });
  }
  parent.children_.clear();
}

void Task::ToldParents(Peer& peer, SteadyTime now) {
  if (peer.state_ != PeerState::kReceivedNormal || peer.starting_) return;
  peer.starting_ = true;
  ++starting_count_;
  last_told_parents_ = now;
}

void Task::Lost(Peer& peer) {
  peer.lost_ = true;
  ClearStarting(peer);
}

bool Task::HasAvailablePeer(const Peer& child) const {
  return std::ranges::any_of(peers_, [&](const auto& peer) {
    return HasPiecesOrSoonWill(peer->state_) && &peer->host() != &child.host() &&
           !child.Blocks(*peer);
  });
}

bool Task::HasAvailablePeer() const {
  return peer_count(PeerState::kRunning) + peer_count(PeerState::kBackToSource) +
             peer_count(PeerState::kSucceeded) >
         0;
}

bool Task::NobodyHasMore(const Peer& peer, SteadyTime now) const {
  if (seeding) return false;
  for (std::size_t i = 0; i < possible_parents_; ++i) {
    const Peer& other = *peers_[i];
    if (&other == &peer || other.lost() || other.host_info().disable_shared || peer.Blocks(other)) {
      continue;
    }
    if (other.state() == PeerState::kSucceeded ||
        other.finished_pieces.HasMoreThan(peer.finished_pieces)) {
      return false;
    }
    const bool was_sent = last_source_grant.has_value() && last_source_grant->peer == other.id();
    if (other.state() != PeerState::kBackToSource && !was_sent) continue;
    const SteadyTime last_sign =
        was_sent ? std::max(other.piece_updated, last_source_grant->at) : other.piece_updated;
    if (now - last_sign < kSourceBringsMore) return false;
  }
  return true;
}

bool Task::SeedPeerFailed(SteadyTime now) const {
  const Peer* newest = nullptr;
  for (const auto& peer : peers_) {
    if (!IsSeed(peer->host_info().type)) continue;
    if (newest == nullptr || peer->updated > newest->updated) newest = peer.get();
  }
  return newest != nullptr && newest->state_ == PeerState::kFailed &&
         now - newest->created_ < kSeedFailureRemembered;
}

void Task::Store(SourcePiece piece) {
  if (piece.number >= PieceSet::kLimit) return;
  // Sources are read in order nearly always, so the place is at the end.
  const auto place =
      std::ranges::lower_bound(source_pieces_, piece.number, {}, &SourcePiece::number);
  if (place != source_pieces_.end() && place->number == piece.number) {
    *place = std::move(piece);
  } else {
    source_pieces_.insert(place, std::move(piece));
  }
}

}  // namespace dragonfly::scheduler
