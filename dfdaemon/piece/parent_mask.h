#pragma once

#include <bit>
#include <cstdint>

namespace dragonfly::dfdaemon {

/// Index of a parent within one download.
using ParentSlot = std::uint8_t;

/// Most parents a download looks at, at a time.
inline constexpr ParentSlot kMaxParents = 64;

/// A set of parents.
class ParentMask {
 public:
  constexpr ParentMask() = default;
  static constexpr ParentMask Of(ParentSlot slot) { return ParentMask(std::uint64_t{1} << slot); }

  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr int count() const { return std::popcount(bits_); }
  [[nodiscard]] constexpr bool Has(ParentSlot slot) const { return ((bits_ >> slot) & 1U) != 0; }
  constexpr void Add(ParentSlot slot) { bits_ |= std::uint64_t{1} << slot; }
  constexpr void Remove(ParentSlot slot) { bits_ &= ~(std::uint64_t{1} << slot); }

  friend constexpr ParentMask operator&(ParentMask a, ParentMask b) {
    return ParentMask(a.bits_ & b.bits_);
  }
  friend constexpr ParentMask operator|(ParentMask a, ParentMask b) {
    return ParentMask(a.bits_ | b.bits_);
  }
  /// Those of `a` that are not in `b`.
  friend constexpr ParentMask operator-(ParentMask a, ParentMask b) {
    return ParentMask(a.bits_ & ~b.bits_);
  }
  friend constexpr bool operator==(ParentMask, ParentMask) = default;

  /// Calls `visit(slot)` for each, lowest first.
  template <class Visit>
  constexpr void ForEach(Visit visit) const {
    for (std::uint64_t rest = bits_; rest != 0; rest &= rest - 1) {
      visit(static_cast<ParentSlot>(std::countr_zero(rest)));
    }
  }

 private:
  explicit constexpr ParentMask(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_ = 0;
};

}  // namespace dragonfly::dfdaemon
