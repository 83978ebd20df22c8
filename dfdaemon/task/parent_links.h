#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/async/notifier.h"
#include "common/async/task_group.h"
#include "common/ids/piece_math.h"
#include "dfdaemon/parents/parent_set.h"
#include "dfdaemon/piece/piece_picker.h"
#include "dfdaemon/task/task_env.h"

namespace dragonfly::dfdaemon {

/// The parents that one download knows: their streams of offers, their load, what became of them.
/// Keeps picker and parent set up to date. Runs on: the `io` executor.
class ParentLinks {
 public:
  struct Context {
    TaskEnv& env;
    Notifier changed;
    TaskGroup& streams;  ///< Must be stopped before this object goes away.
    PiecePicker& picker;
    PieceLayout layout;
    TaskKind kind = TaskKind::kStandard;
    PeerIdentity self;
    /// Hosts that this download does not want.
    absl::flat_hash_set<HostId> avoid;
    Logger log;
  };
  explicit ParentLinks(Context context) : context_(std::move(context)) {}

  /// Takes candidates of the scheduler; those that are known, quarantined or avoided are left out.
  /// A known one whose stream has ended is asked anew. One that is blocked for its failures is
  /// taken when nobody else is there, or nothing comes from the others. Returns how many are new.
  std::size_t Add(const std::vector<CandidateParent>& candidates);
  /// Asks all parents for further pieces.
  void AskFor(const std::vector<PieceNumber>& pieces);

  /// Those that may be asked for one more piece.
  [[nodiscard]] ParentMask Available() const { return set_.Available() & alive_; }
  [[nodiscard]] ParentMask alive() const { return alive_; }
  [[nodiscard]] ParentMask seeds() const { return set_.seeds(); }
  /// Whether one may still come to offer more.
  [[nodiscard]] bool open() const;
  /// How many were given up so far.
  [[nodiscard]] std::uint64_t retirements() const { return retirements_; }
  /// Parents in use that are no seed peers.
  [[nodiscard]] int peers() const;
  /// Takes the latest loads over.
  void UpdateLoads();

  [[nodiscard]] std::optional<ParentSlot> Choose(ParentMask offering);
  [[nodiscard]] std::optional<ParentSlot> Replacement(const ParentSet::Transfer& transfer,
                                                      ParentMask offering);
  [[nodiscard]] const CandidateParent& candidate(ParentSlot slot) const {
    return links_[slot].candidate;
  }
  /// When this parent was last heard of, apart from its answers; nothing when it never was.
  [[nodiscard]] std::optional<SteadyTime> Heard(ParentSlot slot) const;
  [[nodiscard]] const VortexAddress& address(ParentSlot slot) const { return links_[slot].address; }

  // A transfer's life; each Started is followed by one of the others.
  void Started(ParentSlot slot) { set_.Started(slot); }
  void Received(ParentSlot slot, std::uint64_t bytes, Duration took);
  void Stopped(ParentSlot slot);
  /// The transfer failed. What the parent may do afterwards follows from the status.
  void Failed(ParentSlot slot, PieceNumber number, const absl::Status& status);
  /// No byte came for long. To be followed by Stopped.
  void Silent(ParentSlot slot);
  /// The parent is not asked any more in this download.
  void Retire(ParentSlot slot);

  /// Candidates as the scheduler gave them; cleared.
  [[nodiscard]] std::vector<CandidateParent> TakeUsed();
  /// Only those that were retired since the last call of either.
  [[nodiscard]] std::vector<CandidateParent> TakeRetired();

 private:
  struct Link {
    CandidateParent candidate;
    VortexAddress address;
    std::shared_ptr<ParentClient::LoadWatch> load;
    std::uint64_t generation = 0;
    std::uint32_t open_streams = 0;
    std::uint32_t failures = 0;  // In a row.
  };

  bool Take(const CandidateParent& candidate);
  void HoldBack(const CandidateParent& candidate);
  std::size_t TakeHeldBack();
  static Awaitable<> Reconsider(ParentLinks& self);
  void Open(ParentSlot slot, std::vector<PieceNumber> pieces);
  static Awaitable<> Follow(ParentLinks& self, ParentSlot slot, std::uint64_t generation,
                            std::unique_ptr<PieceOffers> offers);
  void Offered(ParentSlot slot, const OfferedPiece& piece);
  void StreamEnded(ParentSlot slot, const absl::Status& status);
  void Lied(ParentSlot slot, const absl::Status& status);
  void CountFailure(ParentSlot slot, const absl::Status& status);
  void ReleaseIfIdle(ParentSlot slot);

  Context context_;
  ParentSet set_;
  ParentMask alive_;
  std::uint64_t next_generation_ = 0;
  std::uint64_t retirements_ = 0;
  std::array<Link, kMaxParents> links_;
  std::vector<CandidateParent> used_;
  std::vector<CandidateParent> retired_;
  std::vector<CandidateParent> held_back_;  // Blocked for their failures.
  absl::flat_hash_set<PeerId> given_another_chance_;
  bool reconsidering_ = false;
};

}  // namespace dragonfly::dfdaemon
