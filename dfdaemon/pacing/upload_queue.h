#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "dfdaemon/pacing/stream_limit.h"

namespace dragonfly::dfdaemon {

/// Who sends next over this host's uplink. Decides only: no I/O, no clock. Not thread-safe.
///
/// The piece that was sent least often is first, so that what only this host has spreads before it
/// is repeated; among equals, whoever asked first; and who waited for 10 s is not passed by any
/// more. Pieces of up to kUncountedLength do not wait.
///
/// A piece that is itself still coming is sent to one peer only: the link could carry it twice,
/// because it comes slower than it could leave, but who has it first passes it on as well, and the
/// room is better used for what nobody else has.
class UploadQueue {
 public:
  using Ticket = std::uint64_t;
  explicit UploadQueue(StreamLimit::Options limit) : limit_(limit) {}

  /// Somebody asks for a piece of `length` bytes, which may only be `coming`; `piece` is a hash
  /// that names it.
  Ticket Enter(SteadyTime now, std::uint64_t piece, std::uint64_t length, bool coming = false);
  /// The piece that is sent by this ticket is not only coming any more.
  void Whole(Ticket ticket);
  /// Has its piece, or does not want it any more.
  void Leave(SteadyTime now, Ticket ticket);
  /// Bytes that peers confirmed.
  void Moved(SteadyTime now, std::uint64_t bytes) { limit_.Moved(now, bytes); }

  /// Appends those whose turn it is now to `turns`.
  void Admit(SteadyTime now, std::vector<Ticket>& turns);

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] std::uint32_t active() const { return limit_.active(); }
  /// When to call Admit() again though nobody came or went.
  [[nodiscard]] SteadyTime next_check(SteadyTime now) { return limit_.next_check(now); }
  [[nodiscard]] double capacity(SteadyTime now) { return limit_.capacity(now); }

 private:
  struct Waiter {
    Ticket ticket = 0;
    std::uint64_t piece = 0;
    std::uint64_t length = 0;
    SteadyTime since;
    bool coming = false;
  };
  enum class State : std::uint8_t { kWaiting, kActive, kUncounted };

  /// The end when nobody who waits may be served now.
  [[nodiscard]] std::list<Waiter>::iterator First(SteadyTime now);
  [[nodiscard]] std::uint8_t& sent(std::uint64_t piece) { return sent_[piece % sent_.size()]; }
  void Age(SteadyTime now);

  StreamLimit limit_;
  Ticket last_ticket_ = 0;
  std::list<Waiter> waiting_;  // In the order of arrival.
  absl::flat_hash_map<Ticket, State> states_;
  absl::flat_hash_map<std::uint64_t, Ticket> passed_on_;  // Pieces that are sent as they come.
  // How often pieces were sent lately, by hash; two pieces in one place only lose some fairness.
  std::array<std::uint8_t, 4096> sent_{};
  SteadyTime aged_;
};

}  // namespace dragonfly::dfdaemon
