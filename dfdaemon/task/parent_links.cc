#include "dfdaemon/task/parent_links.h"

#include <algorithm>
#include <utility>

#include "common/async/sleep.h"
#include "common/async/with_timeout.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

// Transfers from one parent that may fail in a row before the download leaves it.
constexpr std::uint32_t kFailuresAllowed = 2;
// How long a download goes without anything on offer before it turns to those that failed lately.
constexpr auto kPatience = std::chrono::milliseconds(200);

bool SamePeer(const CandidateParent& a, const CandidateParent& b) { return a.peer_id == b.peer_id; }

}  // namespace

std::size_t ParentLinks::Add(const std::vector<CandidateParent>& candidates) {
  const SteadyTime now = context_.env.with.clock.Now();
  std::size_t added = 0;
  for (const CandidateParent& candidate : candidates) {
    // Told to the scheduler when asking for others, also when it is of no use here.
    if (std::none_of(used_.begin(), used_.end(),
                     [&](const auto& used) { return SamePeer(used, candidate); })) {
      used_.push_back(candidate);
    }
    if (candidate.host_id == context_.self.host_id || context_.avoid.contains(candidate.host_id) ||
        context_.env.blocklist.Quarantined(candidate.host_id, now)) {
      continue;
    }
    if (context_.env.blocklist.Blocked(candidate.host_id, now)) {
      HoldBack(candidate);
    } else if (Take(candidate)) {
      ++added;
    }
  }
  if (alive_.empty()) return added + TakeHeldBack();
  if (!held_back_.empty() && !std::exchange(reconsidering_, true)) {
    context_.streams.Spawn(Reconsider(*this));
  }
  return added;
}

bool ParentLinks::Take(const CandidateParent& candidate) {
  bool known = false;
  alive_.ForEach([&](ParentSlot slot) {
    if (!SamePeer(links_[slot].candidate, candidate)) return;
    known = true;
    if (links_[slot].open_streams == 0) Open(slot, context_.picker.Missing());
  });
  if (known) return false;
  const auto slot = set_.Add(candidate.is_seed);
  if (!slot) return false;
  Link& link = links_[*slot];
  link = Link{};
  link.candidate = candidate;
  link.generation = ++next_generation_;
  link.load = context_.env.with.parents.WatchLoad(candidate, context_.self);
  if (candidate.network) {
    set_.SetLoad(*slot, {candidate.network->max_tx_bandwidth, candidate.network->tx_bandwidth});
  }
  alive_.Add(*slot);
  Open(*slot, context_.picker.Missing());
  return true;
}

void ParentLinks::HoldBack(const CandidateParent& candidate) {
  bool known = given_another_chance_.contains(candidate.peer_id);
  alive_.ForEach(
      [&](ParentSlot slot) { known = known || SamePeer(links_[slot].candidate, candidate); });
  for (const CandidateParent& held : held_back_) known = known || SamePeer(held, candidate);
  if (!known) held_back_.push_back(candidate);
}

std::size_t ParentLinks::TakeHeldBack() {
  std::size_t added = 0;
  for (const CandidateParent& candidate : std::exchange(held_back_, {})) {
    given_another_chance_.insert(candidate.peer_id);
    if (Take(candidate)) ++added;
  }
  return added;
}

// The others may be waiting for this node just as it waits for them: when all of them have blocked
// the one that has the content, nobody would ever begin.
Awaitable<> ParentLinks::Reconsider(ParentLinks& self) {
  while (!self.held_back_.empty()) {
    co_await SleepFor(kPatience);
    const PiecePicker& picker = self.context_.picker;
    if (picker.in_flight() == 0 && !picker.AnyOffered(self.alive_)) (void)self.TakeHeldBack();
  }
  self.reconsidering_ = false;
}

void ParentLinks::AskFor(const std::vector<PieceNumber>& pieces) {
  if (pieces.empty()) return;
  alive_.ForEach([&](ParentSlot slot) { Open(slot, pieces); });
}

void ParentLinks::Open(ParentSlot slot, std::vector<PieceNumber> pieces) {
  Link& link = links_[slot];
  ++link.open_streams;
  auto offers = context_.env.with.parents.SyncPieces(link.candidate, context_.kind, context_.self,
                                                     std::move(pieces));
  context_.streams.Spawn(Follow(*this, slot, link.generation, std::move(offers)));
}

Awaitable<> ParentLinks::Follow(ParentLinks& self, ParentSlot slot, std::uint64_t generation,
                                std::unique_ptr<PieceOffers> offers) {
  while (true) {
    auto next = co_await WithTimeout(
        offers->Next(), self.context_.env.options.collected_piece_timeout, "wait for offers");
    // The slot may be another parent's by now.
    if (self.links_[slot].generation != generation) co_return;
    if (!next.ok() || !next->has_value()) {
      self.StreamEnded(slot, next.status());
      co_return;
    }
    if (self.alive_.Has(slot)) self.Offered(slot, **next);
  }
}

void ParentLinks::Offered(ParentSlot slot, const OfferedPiece& piece) {
  if (piece.number >= context_.layout.piece_count()) {
    Lied(slot, absl::DataLossError(
                   StrCat("offers piece ", piece.number, " of ", context_.layout.piece_count())));
    return;
  }
  const PieceSpan span = context_.layout.At(piece.number);
  if (piece.length != span.length || piece.offset != span.offset) {
    Lied(slot, absl::DataLossError(StrCat("offers piece ", piece.number, " with ", piece.length,
                                          " bytes at ", piece.offset)));
    return;
  }
  Link& link = links_[slot];
  if (piece.tcp_port == 0) return;  // Cannot be fetched over Vortex.
  link.address.ip = piece.ip.empty() ? link.candidate.ip : piece.ip;
  link.address.port = piece.tcp_port;
  context_.picker.Offer(piece.number, slot);
  context_.changed.Notify();
}

void ParentLinks::StreamEnded(ParentSlot slot, const absl::Status& status) {
  --links_[slot].open_streams;
  if (alive_.Has(slot) && !status.ok()) {
    context_.log.Debug("parent offers no more",
                       {{"parent_id", links_[slot].candidate.peer_id}, {"error", status}});
    // Silence only means that nothing is new. Anything else means that the parent is in trouble.
    if (absl::IsUnavailable(status)) {
      const bool serves =
          set_.in_flight(slot) > 0 || context_.picker.AnyOffered(ParentMask::Of(slot));
      if (serves) {
        // What it has offered may still be had, and the transfers tell.
        (void)context_.env.blocklist.Failed(links_[slot].candidate.host_id,
                                            context_.env.with.clock.Now());
      } else {
        // Once given up, the scheduler hears of it; it may think that the others wait for this one.
        CountFailure(slot, status);
      }
    }
  }
  ReleaseIfIdle(slot);
  context_.changed.Notify();
}

bool ParentLinks::open() const {
  bool any = false;
  alive_.ForEach([&](ParentSlot slot) { any = any || links_[slot].open_streams > 0; });
  return any;
}

int ParentLinks::peers() const {
  int count = 0;
  alive_.ForEach([&](ParentSlot slot) { count += links_[slot].candidate.is_seed ? 0 : 1; });
  return count;
}

void ParentLinks::UpdateLoads() {
  alive_.ForEach([&](ParentSlot slot) {
    const auto& watch = links_[slot].load;
    const auto load = watch != nullptr ? watch->latest() : std::nullopt;
    if (load) set_.SetLoad(slot, {load->max_tx_bandwidth, load->tx_bandwidth});
  });
}

std::optional<SteadyTime> ParentLinks::Heard(ParentSlot slot) const {
  const auto& watch = links_[slot].load;
  return watch != nullptr ? watch->updated() : std::nullopt;
}

std::optional<ParentSlot> ParentLinks::Choose(ParentMask offering) {
  return set_.Choose(offering & alive_, context_.env.random);
}

std::optional<ParentSlot> ParentLinks::Replacement(const ParentSet::Transfer& transfer,
                                                   ParentMask offering) {
  return set_.Replacement(transfer, offering & alive_, context_.env.random);
}

void ParentLinks::Received(ParentSlot slot, std::uint64_t bytes, Duration took) {
  set_.Received(slot, bytes, took);
  links_[slot].failures = 0;
  context_.env.blocklist.Succeeded(links_[slot].candidate.host_id);
  ReleaseIfIdle(slot);
}

void ParentLinks::Stopped(ParentSlot slot) {
  set_.Failed(slot);
  ReleaseIfIdle(slot);
}

void ParentLinks::Failed(ParentSlot slot, PieceNumber number, const absl::Status& status) {
  context_.picker.Withdraw(number, slot);
  if (absl::IsDataLoss(status)) {
    Lied(slot, status);
  } else if (absl::IsInvalidArgument(status)) {
    // It was not even asked: its address or the id of this task does not fit a request. Its host is
    // as good as before for other tasks.
    Retire(slot);
  } else if (!absl::IsNotFound(status)) {
    CountFailure(slot, status);
  }
  set_.Failed(slot);
  ReleaseIfIdle(slot);
}

void ParentLinks::Silent(ParentSlot slot) {
  CountFailure(slot, absl::DeadlineExceededError("no byte came for long"));
}

void ParentLinks::CountFailure(ParentSlot slot, const absl::Status& status) {
  // What else was under way when it was given up is the same failure.
  if (!alive_.Has(slot)) return;
  Link& link = links_[slot];
  ++link.failures;
  const bool blocked =
      context_.env.blocklist.Failed(link.candidate.host_id, context_.env.with.clock.Now());
  if (blocked) {
    context_.log.Warn("parent fails, left alone for a while",
                      {{"remote_host_id", link.candidate.host_id}, {"error", status}});
  }
  if (blocked || link.failures >= kFailuresAllowed) Retire(slot);
}

void ParentLinks::Lied(ParentSlot slot, const absl::Status& status) {
  const CandidateParent& parent = links_[slot].candidate;
  if (context_.env.blocklist.Lied(parent.host_id, context_.env.with.clock.Now())) {
    context_.log.Warn("parent sent wrong data, quarantined",
                      {{"remote_host_id", parent.host_id},
                       {"remote_address", links_[slot].address.ip},
                       {"error", status}});
  }
  Retire(slot);
}

void ParentLinks::Retire(ParentSlot slot) {
  if (!alive_.Has(slot)) return;
  alive_.Remove(slot);
  context_.picker.WithdrawAll(slot);
  retired_.push_back(links_[slot].candidate);
  ++retirements_;
  links_[slot].load.reset();
  context_.changed.Notify();
}

// A slot goes to another parent only when nothing of the old one can come back.
void ParentLinks::ReleaseIfIdle(ParentSlot slot) {
  if (alive_.Has(slot) || !set_.all().Has(slot) || set_.in_flight(slot) > 0) return;
  links_[slot].generation = 0;
  set_.Remove(slot);
}

std::vector<CandidateParent> ParentLinks::TakeUsed() {
  retired_.clear();
  return std::exchange(used_, {});
}

std::vector<CandidateParent> ParentLinks::TakeRetired() {
  std::erase_if(used_, [&](const CandidateParent& used) {
    return std::any_of(retired_.begin(), retired_.end(),
                       [&](const auto& retired) { return SamePeer(retired, used); });
  });
  return std::exchange(retired_, {});
}

}  // namespace dragonfly::dfdaemon
