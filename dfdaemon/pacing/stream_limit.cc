#include "dfdaemon/pacing/stream_limit.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;

// A transfer that takes so long hides the gap until the next one.
constexpr double kStreamSeconds = 0.050;
// A link that moves less than this part of what it can is partly idle...
constexpr double kBusy = 0.75;
// ...once those that run had the time to show what they can.
constexpr auto kSettled = milliseconds(200);
// From the end of one transfer to the beginning of the next, where nothing holds it up.
constexpr auto kTurnaround = milliseconds(30);
constexpr auto kProbeTime = milliseconds(300);
constexpr auto kFirstProbe = milliseconds(500);
constexpr auto kLongestProbeInterval = std::chrono::seconds(8);
// What probes gained is given back one by one, and gained again if it is still there.
constexpr auto kExtraLife = std::chrono::seconds(5);
// One more of n transfers that share nothing makes 1/n more; half of that is clear enough.
constexpr double kGain = 0.5;

}  // namespace

void StreamLimit::Judge(SteadyTime now) {
  if (probe_ && now >= probe_->ends) {
    const double wanted = probe_->before * (1 + kGain / probe_->streams);
    if (gauge_.rate(now) >= wanted) {
      extra_ = std::max(1U, extra_ * 2);
      extra_since_ = now;
      probe_interval_ = Duration{0};
    } else {
      probe_interval_ = std::clamp<Duration>(probe_interval_ * 2, kFirstProbe,
                                             kLongestProbeInterval);
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
  if (active >= max_) return false;
  Judge(now);
  const double capacity = gauge_.capacity(now);
  const double needed = std::ceil(capacity * kStreamSeconds / static_cast<double>(length));
  fill_ = static_cast<std::uint32_t>(std::clamp<double>(needed, 1, max_)) + extra_;
  if (active < fill_) return true;
  if (now - filled_ < kSettled) return false;
  if (gauge_.rate(now) < kBusy * capacity) return true;
  if (active > fill_ || probe_ || now < next_probe_) return false;
  probe_ = Probe{now + kProbeTime, capacity, active};
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
  --active_;
}

}  // namespace dragonfly::dfdaemon
