#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "common/base/random.h"
#include "common/base/types.h"
#include "dfdaemon/piece/parent_mask.h"

namespace dragonfly::dfdaemon {

/// What one download still needs, who offers it, what is on its way, and which piece to ask for
/// next. Decides only: no I/O, no clock. Not thread-safe.
///
/// A piece is wanted or not, and absent, in flight or here. Pieces that are absent and wanted are
/// open; only those are picked.
class PiecePicker {
 public:
  explicit PiecePicker(PieceNumber piece_count) : pieces_(piece_count) {}

  [[nodiscard]] PieceNumber piece_count() const { return static_cast<PieceNumber>(pieces_.size()); }

  // Needs.
  void Want(PieceNumber first, PieceNumber count);
  /// Nothing is wanted any more. What is in flight stays so.
  void WantNothing();
  [[nodiscard]] bool wanted(PieceNumber number) const { return pieces_[number].wanted; }
  /// Pieces wanted and not here.
  [[nodiscard]] PieceNumber missing() const { return missing_; }
  [[nodiscard]] std::vector<PieceNumber> Missing() const;

  // Offers. Numbers must be below piece_count().
  void Offer(PieceNumber number, ParentSlot parent) { pieces_[number].offers.Add(parent); }
  void Withdraw(PieceNumber number, ParentSlot parent) { pieces_[number].offers.Remove(parent); }
  void WithdrawAll(ParentSlot parent);
  [[nodiscard]] ParentMask offers(PieceNumber number) const { return pieces_[number].offers; }

  // State.
  void Start(PieceNumber number);
  /// The attempt ended without the piece.
  void Fail(PieceNumber number);
  void Finish(PieceNumber number);
  /// A piece that was here is not any more.
  void Lose(PieceNumber number);
  [[nodiscard]] bool here(PieceNumber number) const {
    return pieces_[number].state == State::kHere;
  }
  [[nodiscard]] bool in_flight(PieceNumber number) const {
    return pieces_[number].state == State::kInFlight;
  }
  [[nodiscard]] PieceNumber in_flight() const { return in_flight_; }
  /// How often getting this piece failed since it was last here.
  [[nodiscard]] std::uint32_t failures(PieceNumber number) const {
    return pieces_[number].failures;
  }

  /// The open piece that the fewest of `parents` offer; equals at random, so that children that ask
  /// the same parents do not march through the same pieces. Nothing when `parents` offer none.
  [[nodiscard]] std::optional<PieceNumber> PickRarest(ParentMask parents, Random& random) const;

  /// Of what `parent` offers, the piece that the fewest of `parents` do: an open one or one of
  /// `more`, which are in flight. Equals at random.
  [[nodiscard]] std::optional<PieceNumber> PickRarestOf(ParentSlot parent, ParentMask parents,
                                                        std::span<const PieceNumber> more,
                                                        Random& random) const;

  /// The first open piece that none of `parents` offers: for the source.
  [[nodiscard]] std::optional<PieceNumber> PickUnoffered(ParentMask parents) const;

  /// Whether PickRarest would find something.
  [[nodiscard]] bool AnyOffered(ParentMask parents) const;

 private:
  enum class State : std::uint8_t { kAbsent, kInFlight, kHere };
  static constexpr std::uint32_t kNotOpen = std::numeric_limits<std::uint32_t>::max();
  struct Piece {
    ParentMask offers;
    std::uint32_t open_index = kNotOpen;
    std::uint16_t failures = 0;
    State state = State::kAbsent;
    bool wanted = false;
  };

  void Update(PieceNumber number);

  std::vector<Piece> pieces_;
  std::vector<PieceNumber> open_;  // In no order.
  PieceNumber missing_ = 0;
  PieceNumber in_flight_ = 0;
};

}  // namespace dragonfly::dfdaemon
