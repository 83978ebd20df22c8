#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/types.h"
#include "dfdaemon/piece/parent_mask.h"

namespace dragonfly::dfdaemon {

/// How busy the uplink of a parent's host is, bits per second; 0 = unknown.
struct UploadLoad {
  std::uint64_t max_bandwidth = 0;
  std::uint64_t used_bandwidth = 0;
};

/// Bits per second that the host can still give, never 0: at least a tenth of what it has at all,
/// and 10 Gbit/s count as its bandwidth when it does not say.
[[nodiscard]] std::uint64_t UploadHeadroom(const std::optional<UploadLoad>& load);

/// The parents of one download, and which of them serves which piece. Decides only: no I/O, no
/// clock. Not thread-safe.
///
/// Pieces are spread over all parents that offer them, by random weighted with the headroom of the
/// parent's uplink. Seed peers are asked only for what no other usable parent offers: the uplink of
/// the seed has to carry every piece once, to whoever has it first. A slow parent is given one
/// piece at a time and only what no fast parent of its class offers.
class ParentSet {
 public:
  /// A parent's slot is reused after Remove. Nothing when there are kMaxParents.
  std::optional<ParentSlot> Add(bool is_seed);
  void Remove(ParentSlot slot);
  [[nodiscard]] ParentMask all() const { return all_; }
  [[nodiscard]] ParentMask seeds() const { return seeds_; }

  void SetLoad(ParentSlot slot, UploadLoad load) { parents_[slot].load = load; }

  // A transfer's life. Each Started is followed by one Received or Failed.
  void Started(ParentSlot slot) { ++parents_[slot].in_flight; }
  void Received(ParentSlot slot, std::uint64_t bytes, Duration took);
  void Failed(ParentSlot slot);

  [[nodiscard]] std::uint32_t in_flight(ParentSlot slot) const { return parents_[slot].in_flight; }
  /// Bytes per second of one transfer, smoothed; 0 until the first piece came.
  [[nodiscard]] double rate(ParentSlot slot) const { return parents_[slot].rate; }
  /// Whether it is much slower than the median of the others.
  [[nodiscard]] bool slow(ParentSlot slot) const;

  /// Parents that may be asked for one more piece.
  [[nodiscard]] ParentMask Available() const;
  /// Whom to ask among `offering`; nothing when none of them is available.
  [[nodiscard]] std::optional<ParentSlot> Choose(ParentMask offering, Random& random) const;

  /// One transfer as the tail of a download looks at it.
  struct Transfer {
    ParentSlot parent = 0;
    std::uint64_t length = 0;    ///< Bytes of the piece.
    std::uint64_t received = 0;  ///< Bytes so far.
    Duration elapsed{0};
    Duration silent{0};  ///< Since the last byte.
  };
  /// Another parent of `offering` that would probably have the whole piece well before the present
  /// one has the rest; nothing when going on is better.
  [[nodiscard]] std::optional<ParentSlot> Replacement(const Transfer& transfer, ParentMask offering,
                                                      Random& random) const;

 private:
  struct Parent {
    bool is_seed = false;
    std::optional<UploadLoad> load;
    std::uint32_t in_flight = 0;
    std::uint32_t received = 0;
    double rate = 0;
  };

  [[nodiscard]] ParentMask Slow() const;
  [[nodiscard]] ParentSlot Weighted(ParentMask among, Random& random) const;

  std::array<Parent, kMaxParents> parents_{};
  ParentMask all_;
  ParentMask seeds_;
};

}  // namespace dragonfly::dfdaemon
