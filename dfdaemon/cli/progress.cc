#include "dfdaemon/cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace dragonfly::dfdaemon {
namespace {

constexpr auto kDrawInterval = std::chrono::milliseconds(50);
constexpr auto kSampleInterval = std::chrono::milliseconds(200);
// Weight of a new sample over one second: the bar follows a change within about two seconds.
constexpr double kSmoothing = 0.5;

}  // namespace

std::string FormatBytes(double bytes) {
  static constexpr std::array<std::string_view, 6> kUnits = {"B",   "KiB", "MiB",
                                                             "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{:.0f} B", bytes);
  return fmt::format("{:.2f} {}", bytes, kUnits[unit]);
}

std::string FormatElapsed(std::chrono::seconds elapsed) {
  const auto seconds = elapsed.count();
  const std::string clock =
      fmt::format("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
  return seconds < 86400 ? clock : fmt::format("{}d {}", seconds / 86400, clock);
}

ProgressBar::ProgressBar(std::string title, SteadyTime now, std::size_t width)
    : title_(std::move(title)), started_(now), width_(width), sampled_at_(now) {}

void ProgressBar::Add(std::uint64_t bytes, SteadyTime now) {
  done_ += bytes;
  const double since = ToSeconds(now - sampled_at_);
  if (now - sampled_at_ < kSampleInterval) return;
  const double sample = static_cast<double>(done_ - sampled_done_) / since;
  const double keep = std::pow(1 - kSmoothing, since);
  rate_ = rate_ == 0 ? sample : rate_ * keep + sample * (1 - keep);
  sampled_at_ = now;
  sampled_done_ = done_;
}

bool ProgressBar::DrawingDue(SteadyTime now) const {
  return !drawn_at_ || now - *drawn_at_ >= kDrawInterval || (total_ > 0 && done_ >= total_);
}

std::string ProgressBar::Draw(SteadyTime now, bool colour) {
  drawn_at_ = now;
  const double total = static_cast<double>(total_);
  const double share = total_ == 0 ? 1.0 : std::min(1.0, static_cast<double>(done_) / total);
  const double elapsed = ToSeconds(now - started_);
  const double rate = rate_ > 0 ? rate_ : (elapsed > 0 ? static_cast<double>(done_) / elapsed : 0);
  const double left = rate > 0 ? (total - static_cast<double>(done_)) / rate : 0;
  const std::string tail =
      fmt::format(" {:3}% {}/{} ({}/s, {:.1f}s)", static_cast<int>(share * 100),
                  FormatBytes(static_cast<double>(done_)), FormatBytes(total), FormatBytes(rate),
                  std::max(left, 0.0));
  const std::string head =
      fmt::format("[{}] ", FormatElapsed(std::chrono::seconds(static_cast<std::int64_t>(elapsed))));
  const std::size_t used = head.size() + tail.size() + 2;
  const std::size_t cells = width_ > used + 10 ? std::min<std::size_t>(60, width_ - used) : 10;
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(cells));
  std::string done(filled, '=');
  std::string rest(cells - filled, '-');
  if (!rest.empty()) rest.front() = '>';
  if (!colour) return fmt::format("{}\n{}[{}{}]{}", title_, head, done, rest, tail);
  return fmt::format("\x1b[1m{}\x1b[0m\n{}[\x1b[32m{}\x1b[31m{}\x1b[0m]{}", title_, head, done,
                     rest, tail);
}

}  // namespace dragonfly::dfdaemon
