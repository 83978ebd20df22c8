#include "scheduler/selection/parent_finder.h"

#include <algorithm>

namespace dragonfly::scheduler {
namespace {

bool Better(const ParentFinder::Candidate& a, const ParentFinder::Candidate& b) {
  if (a.doubtful != b.doubtful) return b.doubtful;
  if (a.score != b.score) return a.score > b.score;
  const std::size_t children_a = a.peer->children().size();
  const std::size_t children_b = b.peer->children().size();
  if (children_a != children_b) return children_a < children_b;
  return a.peer->id() < b.peer->id();
}

// A seed serves so many times the children of another peer: only it has what nobody has yet.
constexpr std::size_t kSeedChildren = 16;

std::size_t Burden(const Peer& peer) {
  return peer.seed() ? peer.children().size() / kSeedChildren : peer.children().size();
}

// Those that trade take each piece from whoever is free, so that the load of a parent now says
// little: what counts is that links are short, and that everybody has about as many neighbours.
bool BetterForTrading(const ParentFinder::Candidate& a, const ParentFinder::Candidate& b) {
  if (a.doubtful != b.doubtful) return b.doubtful;
  if (a.affinity != b.affinity) return a.affinity > b.affinity;
  const std::size_t burden_a = Burden(*a.peer);
  const std::size_t burden_b = Burden(*b.peer);
  if (burden_a != burden_b) return burden_a < burden_b;
  return Better(a, b);
}

}  // namespace

std::string_view Name(Drop drop) {
  switch (drop) {
    case Drop::kBlocked:
      return "blocked";
    case Drop::kNotShared:
      return "shared";
    case Drop::kSameHost:
      return "same host";
    case Drop::kNotInGraph:
      return "not in graph";
    case Drop::kWithoutSource:
      return "in-degree 0";
    case Drop::kBadParent:
      return "bad";
    case Drop::kCycle:
      return "cycle";
  }
  return "";
}

std::optional<Drop> ParentFinder::WhyNot(const Peer& child, const Peer& candidate) const {
  if (&candidate == &child || child.Blocks(candidate)) return Drop::kBlocked;
  const HostInfo& host = candidate.host_info();
  if (host.disable_shared) return Drop::kNotShared;
  if (candidate.host().IsSame(child.host())) return Drop::kSameHost;
  // A seed serves while it reads the source, whoever is below somebody serves what it got, and
  // whoever reads the source or has finished needs nobody above.
  if (!IsSeed(host.type) && candidate.parents().empty() && !candidate.restored() &&
      candidate.state() != PeerState::kBackToSource && candidate.state() != PeerState::kSucceeded) {
    return Drop::kWithoutSource;
  }
  if (evaluator_.IsBadParent(candidate)) return Drop::kBadParent;
  if (child.task().IsMarked(candidate) || Task::HasEdge(candidate, child)) return Drop::kCycle;
  return std::nullopt;
}

std::span<const ParentFinder::Candidate> ParentFinder::Find(Peer& child, const Limits& limits,
                                                            Random& random) {
  candidates_.clear();
  if (child.state() != PeerState::kReceivedNormal && child.state() != PeerState::kRunning) {
    return {};
  }
  Task& task = child.task();
  task.MarkUnfit(child);
  const auto consider = [&](Peer& peer) {
    if (WhyNot(child, peer).has_value()) return;
    Candidate& candidate = candidates_.emplace_back();
    candidate.peer = &peer;
    candidate.score = evaluator_.Score(peer, child);
    candidate.doubtful = peer.doubtful();
    if (child.trades()) candidate.affinity = Affinity(peer, child);
  };
  const auto sample = task.Sample(limits.filter_parent_limit, random);
  // Everything about them is far away in memory: it had better come at once than one by one.
  for (const Peer* const peer : sample) peer->Prefetch();
  for (const Peer* const peer : sample) peer->PrefetchHost();
  for (Peer* const peer : sample) consider(*peer);
  if (child.trades()) {
    // It has many parents, so the seed should be one of them wherever a task is large.
    for (Peer* const seed : task.seeds()) {
      const bool drawn = std::ranges::find(sample, seed) != sample.end();
      if (!drawn && task.IsPossibleParent(*seed)) consider(*seed);
    }
  }
  const std::size_t kept = std::min(limits.candidate_parent_limit, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(kept),
                    candidates_.end(), child.trades() ? BetterForTrading : Better);
  return {candidates_.data(), kept};
}

}  // namespace dragonfly::scheduler
