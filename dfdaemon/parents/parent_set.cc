#include "dfdaemon/parents/parent_set.h"

#include <algorithm>

#include "common/base/check.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::uint64_t kUnknownBandwidth = 10'000'000'000;
// Weight of the newest piece in a parent's rate.
constexpr double kSmoothing = 0.3;
// Pieces before a parent's rate says something about it.
constexpr std::uint32_t kSamplesNeeded = 2;
// A parent is slow when the median of the others is so many times faster. Parents share links and
// disks with others, so differences of two come and go.
constexpr double kSlowFactor = 3;
// A second request for a piece costs its bytes once more: the gain must be clear.
constexpr double kReplaceGain = 2;
// No transfer is judged earlier: short ones end by themselves meanwhile.
constexpr auto kEarliest = std::chrono::milliseconds(300);
// Without a byte for so long, a transfer is taken to be stuck.
constexpr auto kStuck = std::chrono::seconds(4);

}  // namespace

std::uint64_t UploadHeadroom(const std::optional<UploadLoad>& load) {
  const std::uint64_t max =
      load && load->max_bandwidth != 0 ? load->max_bandwidth : kUnknownBandwidth;
  const std::uint64_t used = load ? std::min(load->used_bandwidth, max) : 0;
  return std::max<std::uint64_t>({max - used, max / 10, 1});
}

std::optional<ParentSlot> ParentSet::Add(bool is_seed) {
  for (ParentSlot slot = 0; slot < kMaxParents; ++slot) {
    if (all_.Has(slot)) continue;
    parents_[slot] = Parent{};
    parents_[slot].is_seed = is_seed;
    all_.Add(slot);
    if (is_seed) seeds_.Add(slot);
    return slot;
  }
  return std::nullopt;
}

void ParentSet::Remove(ParentSlot slot) {
  all_.Remove(slot);
  seeds_.Remove(slot);
}

void ParentSet::Received(ParentSlot slot, std::uint64_t bytes, Duration took) {
  Parent& parent = parents_[slot];
  DF_DCHECK(parent.in_flight > 0);
  --parent.in_flight;
  const double rate = static_cast<double>(bytes) / std::max(ToSeconds(took), 1e-6);
  parent.rate = parent.received == 0 ? rate : parent.rate + kSmoothing * (rate - parent.rate);
  ++parent.received;
}

void ParentSet::Failed(ParentSlot slot) {
  DF_DCHECK(parents_[slot].in_flight > 0);
  --parents_[slot].in_flight;
}

bool ParentSet::slow(ParentSlot slot) const {
  const Parent& parent = parents_[slot];
  if (parent.received < kSamplesNeeded) return false;
  std::array<double, kMaxParents> others;
  std::size_t count = 0;
  all_.ForEach([&](ParentSlot other) {
    if (other == slot || parents_[other].received < kSamplesNeeded) return;
    others[count++] = parents_[other].rate;
  });
  if (count == 0) return false;
  const auto middle = others.begin() + static_cast<std::ptrdiff_t>(count / 2);
  std::nth_element(others.begin(), middle, others.begin() + static_cast<std::ptrdiff_t>(count));
  return parent.rate * kSlowFactor < *middle;
}

ParentMask ParentSet::Slow() const {
  ParentMask slow_ones;
  if (all_.count() < 2) return slow_ones;
  all_.ForEach([&](ParentSlot slot) {
    if (slow(slot)) slow_ones.Add(slot);
  });
  return slow_ones;
}

ParentMask ParentSet::Available() const {
  ParentMask busy;
  Slow().ForEach([&](ParentSlot slot) {
    if (parents_[slot].in_flight > 0) busy.Add(slot);
  });
  return all_ - busy;
}

std::optional<ParentSlot> ParentSet::Choose(ParentMask offering, Random& random) const {
  const ParentMask slow_ones = Slow();
  ParentMask busy;
  slow_ones.ForEach([&](ParentSlot slot) {
    if (parents_[slot].in_flight > 0) busy.Add(slot);
  });
  const ParentMask available = (offering & all_) - busy;
  const ParentMask peers = available - seeds_;
  const ParentMask seeds = available & seeds_;
  for (const ParentMask among : {peers - slow_ones, peers, seeds - slow_ones, seeds}) {
    if (!among.empty()) return Weighted(among, random);
  }
  return std::nullopt;
}

ParentSlot ParentSet::Weighted(ParentMask among, Random& random) const {
  // What is under way to us is not in the load yet, which is about a second old.
  auto weight = [&](ParentSlot slot) {
    const Parent& parent = parents_[slot];
    return static_cast<double>(UploadHeadroom(parent.load)) / (1.0 + parent.in_flight);
  };
  double total = 0;
  among.ForEach([&](ParentSlot slot) { total += weight(slot); });
  double at = random.Unit() * total;
  ParentSlot chosen = 0;
  bool found = false;
  among.ForEach([&](ParentSlot slot) {
    if (found) return;
    chosen = slot;
    at -= weight(slot);
    found = at < 0;
  });
  return chosen;
}

std::optional<ParentSlot> ParentSet::Replacement(const Transfer& transfer, ParentMask offering,
                                                 Random& random) const {
  ParentMask others = offering & all_;
  others.Remove(transfer.parent);
  const auto other = Choose(others, random);
  if (!other) return std::nullopt;
  if (transfer.silent >= kStuck) return other;
  const double other_rate = parents_[*other].rate;
  if (other_rate <= 0) return std::nullopt;
  const double whole = static_cast<double>(transfer.length) / other_rate;
  const double elapsed = ToSeconds(transfer.elapsed);
  // Too early to judge a transfer that has not had the time of a whole one elsewhere.
  if (transfer.elapsed < kEarliest || elapsed < whole) return std::nullopt;
  const double rate = static_cast<double>(transfer.received) / elapsed;
  const double rest = rate > 0 ? static_cast<double>(transfer.length - transfer.received) / rate
                               : elapsed * kReplaceGain;
  if (rest <= kReplaceGain * whole) return std::nullopt;
  return other;
}

}  // namespace dragonfly::dfdaemon
