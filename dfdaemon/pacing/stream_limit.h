#pragma once

#include <cstdint>
#include <optional>

#include "common/base/clock.h"
#include "dfdaemon/pacing/link_gauge.h"

namespace dragonfly::dfdaemon {

/// Transfers up to this size, in bytes, need not be counted: they cost less than knowing whose turn
/// it is.
inline constexpr std::uint64_t kUncountedLength = 128 * 1024;

/// How many transfers at once fill a link, in one direction. Decides only: no I/O, no clock. Not
/// thread-safe.
///
/// As many as keep it busy for 50 ms each, judged by what it was seen to carry. One more when those
/// that run leave it nearly idle, because something else holds them up. And, because a link may
/// carry more than its transfers can, half as many more from time to time, kept if they make it
/// faster.
class StreamLimit {
 public:
  struct Options {
    std::uint32_t max = 64;  ///< Never more at once; at least 1.
    /// A link that moves less than this part of what it can is held up by something else. Half of
    /// it is what two transfers leave each other that meet at the other side, which passes.
    double busy = 0.25;
  };

  explicit StreamLimit(Options options) : options_(options) {}

  /// Whether one more transfer of `length` bytes, besides `active` that run, should begin now.
  [[nodiscard]] bool MayBegin(SteadyTime now, std::uint64_t length, std::uint32_t active);
  [[nodiscard]] bool MayBegin(SteadyTime now, std::uint64_t length) {
    return MayBegin(now, length, active_);
  }
  /// When MayBegin() may turn true though nothing happens.
  [[nodiscard]] SteadyTime next_check(SteadyTime now);

  void Began(SteadyTime now);
  void Ended(SteadyTime now);
  void Moved(SteadyTime now, std::uint64_t bytes) { gauge_.Moved(now, bytes); }

  [[nodiscard]] std::uint32_t active() const { return active_; }
  /// Bytes per second, see LinkGauge.
  [[nodiscard]] double capacity(SteadyTime now) { return gauge_.capacity(now); }

 private:
  struct Probe {
    SteadyTime ends;
    Duration length{0};  // Of its second half, which is judged.
    double before = 0;   // Bytes per second.
    std::uint32_t streams = 0;
    std::uint32_t added = 0;
    bool idle = false;  // The link seemed to be idle.
  };

  void Judge(SteadyTime now);
  void Start(SteadyTime now, std::uint32_t added, bool idle);
  /// Long enough for what moves in it to be more than a few buffers full.
  [[nodiscard]] Duration Window(SteadyTime now);

  const Options options_;
  LinkGauge gauge_;
  std::uint32_t active_ = 0;
  std::uint32_t fill_ = 1;  // So many should fill the link, as of the last question.
  SteadyTime filled_;       // Since when so many run, short gaps not counted.
  SteadyTime dropped_;      // When they became fewer.
  std::uint32_t extra_ = 0;
  SteadyTime extra_since_;
  std::optional<Probe> probe_;
  SteadyTime next_probe_;
  Duration probe_interval_{0};
};

}  // namespace dragonfly::dfdaemon
