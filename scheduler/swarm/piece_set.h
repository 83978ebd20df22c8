#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/base/types.h"

namespace dragonfly::scheduler {

/// Which pieces a peer has: one bit each, grown as needed.
class PieceSet {
 public:
  /// Numbers from here on are not kept: they come from outside, and memory must not follow them.
  /// 4 Mi pieces of 4 MiB are 16 TiB.
  static constexpr PieceNumber kLimit = 4U << 20U;

  /// False when it was there already or is out of bounds.
  bool Set(PieceNumber number) {
    if (number >= kLimit) return false;
    const std::size_t word = number / 64;
    if (word >= words_.size()) words_.resize(word + 1);
    const std::uint64_t bit = std::uint64_t{1} << (number % 64);
    if ((words_[word] & bit) != 0) return false;
    words_[word] |= bit;
    ++count_;
    return true;
  }
  [[nodiscard]] bool Has(PieceNumber number) const {
    const std::size_t word = number / 64;
    return word < words_.size() && (words_[word] >> (number % 64) & 1U) != 0;
  }
  /// Whether it has one that `other` lacks.
  [[nodiscard]] bool HasMoreThan(const PieceSet& other) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::uint64_t others = i < other.words_.size() ? other.words_[i] : 0;
      if ((words_[i] & ~others) != 0) return true;
    }
    return false;
  }
  /// Calls `visit(first, last)` for every row of pieces without a gap, in order.
  template <class Visit>
  void ForEachRange(const Visit& visit) const {
    const auto end = static_cast<PieceNumber>(words_.size() * 64);
    for (PieceNumber at = 0; at < end;) {
      if (!Has(at)) {
        // Whole words without a piece are passed by at once.
        at = words_[at / 64] == 0 ? (at / 64 + 1) * 64 : at + 1;
        continue;
      }
      const PieceNumber first = at;
      while (at < end && Has(at)) ++at;
      visit(first, at - 1);
    }
  }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  std::vector<std::uint64_t> words_;
  std::uint32_t count_ = 0;
};

}  // namespace dragonfly::scheduler
