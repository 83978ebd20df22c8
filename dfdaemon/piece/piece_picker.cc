#include "dfdaemon/piece/piece_picker.h"

#include <algorithm>

#include "common/base/check.h"

namespace dragonfly::dfdaemon {
namespace {

// Of the pieces considered one after the other, one that the fewest offer. Each of the equals ends
// up chosen with the same probability, without a list of them.
class Rarest {
 public:
  explicit Rarest(Random& random) : random_(random) {}

  void Consider(PieceNumber number, int offers) {
    if (offers == 0 || offers > fewest_) return;
    if (offers < fewest_) {
      fewest_ = offers;
      equals_ = 0;
    }
    if (random_.Below(++equals_) == 0) number_ = number;
  }
  [[nodiscard]] std::optional<PieceNumber> number() const { return number_; }

 private:
  Random& random_;
  std::optional<PieceNumber> number_;
  int fewest_ = std::numeric_limits<int>::max();
  std::uint64_t equals_ = 0;
};

}  // namespace

// Brings the list of open pieces in line with the piece.
void PiecePicker::Update(PieceNumber number) {
  Piece& piece = pieces_[number];
  const bool open = piece.wanted && piece.state == State::kAbsent;
  if (open == (piece.open_index != kNotOpen)) return;
  if (open) {
    piece.open_index = static_cast<std::uint32_t>(open_.size());
    open_.push_back(number);
    return;
  }
  const PieceNumber last = open_.back();
  open_[piece.open_index] = last;
  pieces_[last].open_index = piece.open_index;
  open_.pop_back();
  piece.open_index = kNotOpen;
}

void PiecePicker::Want(PieceNumber first, PieceNumber count) {
  DF_DCHECK(first + count <= piece_count());
  for (PieceNumber number = first; number < first + count; ++number) {
    Piece& piece = pieces_[number];
    if (piece.wanted) continue;
    piece.wanted = true;
    if (piece.state != State::kHere) ++missing_;
    Update(number);
  }
}

void PiecePicker::WantNothing() {
  for (Piece& piece : pieces_) {
    piece.wanted = false;
    piece.open_index = kNotOpen;
  }
  open_.clear();
  missing_ = 0;
}

std::vector<PieceNumber> PiecePicker::Missing() const {
  std::vector<PieceNumber> numbers;
  numbers.reserve(missing_);
  for (PieceNumber number = 0; number < piece_count(); ++number) {
    if (pieces_[number].wanted && !here(number)) numbers.push_back(number);
  }
  return numbers;
}

void PiecePicker::WithdrawAll(ParentSlot parent) {
  for (Piece& piece : pieces_) piece.offers.Remove(parent);
}

void PiecePicker::Start(PieceNumber number) {
  DF_DCHECK(pieces_[number].state == State::kAbsent);
  pieces_[number].state = State::kInFlight;
  ++in_flight_;
  Update(number);
}

void PiecePicker::Fail(PieceNumber number) {
  Piece& piece = pieces_[number];
  if (piece.state != State::kInFlight) return;
  piece.state = State::kAbsent;
  if (piece.failures < std::numeric_limits<std::uint16_t>::max()) ++piece.failures;
  --in_flight_;
  Update(number);
}

void PiecePicker::Finish(PieceNumber number) {
  Piece& piece = pieces_[number];
  if (piece.state == State::kHere) return;
  if (piece.state == State::kInFlight) --in_flight_;
  piece.state = State::kHere;
  piece.failures = 0;
  if (piece.wanted) --missing_;
  Update(number);
}

void PiecePicker::Lose(PieceNumber number) {
  Piece& piece = pieces_[number];
  if (piece.state != State::kHere) return;
  piece.state = State::kAbsent;
  if (piece.wanted) ++missing_;
  Update(number);
}

std::optional<PieceNumber> PiecePicker::PickRarest(ParentMask parents, Random& random) const {
  Rarest rarest(random);
  for (const PieceNumber number : open_) {
    rarest.Consider(number, (pieces_[number].offers & parents).count());
  }
  return rarest.number();
}

std::optional<PieceNumber> PiecePicker::PickRarestOf(ParentSlot parent, ParentMask parents,
                                                     std::span<const PieceNumber> more,
                                                     Random& random) const {
  Rarest rarest(random);
  const auto consider = [&](PieceNumber number) {
    const ParentMask offers = pieces_[number].offers;
    if (offers.Has(parent)) rarest.Consider(number, (offers & parents).count());
  };
  for (const PieceNumber number : open_) consider(number);
  for (const PieceNumber number : more) consider(number);
  return rarest.number();
}

std::optional<PieceNumber> PiecePicker::PickUnoffered(ParentMask parents) const {
  std::optional<PieceNumber> first;
  for (const PieceNumber number : open_) {
    if (first && number > *first) continue;
    if ((pieces_[number].offers & parents).empty()) first = number;
  }
  return first;
}

bool PiecePicker::AnyOffered(ParentMask parents) const {
  return std::any_of(open_.begin(), open_.end(), [&](PieceNumber number) {
    return !(pieces_[number].offers & parents).empty();
  });
}

}  // namespace dragonfly::dfdaemon
