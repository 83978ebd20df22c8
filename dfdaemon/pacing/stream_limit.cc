#include "dfdaemon/pacing/stream_limit.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;

// A transfer that takes so long hides the gap until the next one.
constexpr double kStreamSeconds = 0.050;
// ...once those that run had the time to show what they can.
constexpr auto kSettled = milliseconds(200);
// LinkGauge::recent() looks back so far.
constexpr auto kRemembered = milliseconds(1000);
// From the end of one transfer to the beginning of the next, where nothing holds it up.
constexpr auto kTurnaround = milliseconds(30);
constexpr auto kProbeTime = milliseconds(300);
constexpr auto kAfterOneInVain = std::chrono::seconds(2);
constexpr auto kLongestProbeInterval = std::chrono::seconds(16);
// What probes gained is given back one by one, and gained again if it is still there.
constexpr auto kExtraLife = std::chrono::seconds(5);
// One more of n transfers that share nothing makes 1/n more; half of that is clear enough.
constexpr double kGain = 0.5;

}  // namespace

void StreamLimit::Judge(SteadyTime now) {
  if (probe_ && now >= probe_->ends) {
    const double wanted = probe_->before * (1 + kGain / probe_->streams);
    const bool gained = gauge_.rate(now) >= wanted;
    if (probe_->idle) {
      if (!gained) gauge_.Correct(now);
    } else if (gained) {
      extra_ = growing_ ? std::max(1U, extra_ * 2) : extra_ + 1;
      extra_since_ = now;
      probe_interval_ = Duration{0};
    } else {
      growing_ = false;
      probe_interval_ = std::clamp<Duration>(probe_interval_ * 2, kAfterOneInVain,
                                             kLongestProbeInterval);
    }
    if (!probe_->idle) next_probe_ = now + probe_interval_;
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
  const double needed = std::ceil(capacity * kStreamSeconds / static_cast<double>(length));
  fill_ = static_cast<std::uint32_t>(std::clamp<double>(needed, 1, options_.max)) + extra_;
  if (active < fill_) return true;
  // Those that run can tell something once they had the time to.
  if (active_ < active || capacity <= 0 || now - filled_ < kSettled) return false;
  if (probe_) return false;
  if (const double rate = gauge_.rate(now); rate < options_.busy * capacity) {
    probe_ = Probe{now + kProbeTime, rate, active, true};
    return true;
  }
  if (active > fill_ || now < next_probe_) return false;
  probe_ = Probe{now + kProbeTime, gauge_.recent(now), active, false};
  return true;
}

SteadyTime StreamLimit::next_check(SteadyTime now) const {
  const SteadyTime settled = filled_ + kSettled;
  return settled > now ? settled : now + milliseconds(50);
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
  if (active_ > fill_) filled_ = now + kRemembered;
  --active_;
}

}  // namespace dragonfly::dfdaemon
