#include "dfdaemon/pacing/stream_limit.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;

// A transfer that takes so long hides the gap until the next one.
constexpr double kStreamSeconds = 0.050;
// Larger ones count as several: with very few, one that is held up would hold up everything.
constexpr std::uint64_t kLargest = 16 << 20;
// What a window has to see. Bytes are counted in portions of up to 256 KiB.
constexpr double kWindowBytes = 1 << 20;
constexpr auto kShortestWindow = milliseconds(200);
constexpr auto kLongestWindow = milliseconds(1500);
// From the end of one transfer to the beginning of the next, where nothing holds it up.
constexpr auto kTurnaround = milliseconds(30);
// A link that seems idle is given so many more. What it can was overestimated if that does not
// help, unless nothing moves at all: peers that take nothing must not keep others waiting.
constexpr std::uint32_t kMoreWhenIdle = 2;
constexpr double kStandsStill = 0.02;
constexpr auto kAfterOneInVain = std::chrono::seconds(2);
constexpr auto kLongestProbeInterval = std::chrono::seconds(16);
// What probes gained is given back one by one, and gained again if it is still there.
constexpr auto kExtraLife = std::chrono::seconds(5);
// m more besides n transfers that share nothing make m/n more; half of that is clear enough.
constexpr double kGain = 0.5;

}  // namespace

Duration StreamLimit::Window(SteadyTime now) {
  const double capacity = std::max(gauge_.capacity(now), 1.0);
  const auto window = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(kWindowBytes / capacity, 10.0)));
  return std::clamp<Duration>(window, kShortestWindow, kLongestWindow);
}

void StreamLimit::Start(SteadyTime now, std::uint32_t added, bool idle) {
  const Duration window = Window(now);
  // The first half is for those that are added to come up to speed.
  probe_ = Probe{now + 2 * window, window, gauge_.rate(now, window), active_, added, idle};
}

void StreamLimit::Judge(SteadyTime now) {
  if (probe_ && now >= probe_->ends) {
    const double rate = gauge_.rate(now, probe_->length);
    const bool gained = probe_->before > 0 &&
                        rate >= probe_->before * (1 + kGain * probe_->added / probe_->streams);
    if (probe_->idle) {
      if (!gained) gauge_.Correct(rate);
    } else if (gained) {
      extra_ += probe_->added;
      extra_since_ = now;
      probe_interval_ = Duration{0};
    } else {
      probe_interval_ =
          std::clamp<Duration>(probe_interval_ * 2, kAfterOneInVain, kLongestProbeInterval);
    }
    next_probe_ = now + probe_interval_;
    probe_.reset();
  }
  if (extra_ > 0 && now - extra_since_ >= kExtraLife) {
    --extra_;
    extra_since_ = now;
  }
}

bool StreamLimit::MayBegin(SteadyTime now, std::uint64_t length, std::uint32_t active) {
  if (active == 0) return true;
  if (active >= options_.max) return false;
  Judge(now);
  const double capacity = gauge_.capacity(now);
  const double needed =
      std::ceil(capacity * kStreamSeconds / static_cast<double>(std::min(length, kLargest)));
  fill_ = static_cast<std::uint32_t>(std::clamp<double>(needed, 1, options_.max)) + extra_;
  if (active < fill_) return true;
  if (probe_) return active < fill_ + probe_->added;
  // Those that run can tell something once they had the time to.
  const Duration window = Window(now);
  if (active_ < active || capacity <= 0 || now - filled_ < window) return false;
  const double rate = gauge_.rate(now, window);
  if (rate < options_.busy * capacity &&
      (active < fill_ + kMoreWhenIdle || rate < kStandsStill * capacity)) {
    Start(now, 1, true);
    return true;
  }
  if (active > fill_ || now < next_probe_) return false;
  Start(now, (active + 1) / 2, false);
  return true;
}

SteadyTime StreamLimit::next_check(SteadyTime now) {
  const Duration window = Window(now);
  const SteadyTime settled = filled_ + window;
  return settled > now ? settled : now + window / 4;
}

void StreamLimit::Began(SteadyTime now) {
  ++active_;
  if (active_ < fill_) return;
  if (active_ > fill_ || now - dropped_ > kTurnaround) filled_ = now;
}

void StreamLimit::Ended(SteadyTime now) {
  if (active_ == 0) return;
  if (active_ == fill_) dropped_ = now;
  // What more of them moved is not what one more has to be compared with.
  if (active_ > fill_) filled_ = now;
  --active_;
}

}  // namespace dragonfly::dfdaemon
