#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace dragonfly::dfdaemon {

/// `12.34 MiB`; bytes below 1 KiB without a fraction.
[[nodiscard]] std::string FormatBytes(double bytes);
/// `HH:MM:SS`, from one day on `<d>d HH:MM:SS`.
[[nodiscard]] std::string FormatElapsed(std::chrono::seconds elapsed);

/// State and text of the bar of one download; decides when drawing is due, draws nothing itself.
/// The rate is that of the last seconds, so that it follows a change.
class ProgressBar {
 public:
  /// `width`: columns of the terminal.
  ProgressBar(std::string title, SteadyTime now, std::size_t width);

  void SetTotal(std::uint64_t bytes) { total_ = bytes; }
  void Add(std::uint64_t bytes, SteadyTime now);

  [[nodiscard]] std::uint64_t done() const { return done_; }
  /// At most 20 drawings in a second, and always the last one.
  [[nodiscard]] bool DrawingDue(SteadyTime now) const;
  /// Two lines: title, and `[elapsed] [====>---] 42% 1.20 GiB/2.86 GiB (123.45 MiB/s, 3.2s)`.
  [[nodiscard]] std::string Draw(SteadyTime now, bool colour);

 private:
  [[nodiscard]] double RatePerSecond() const { return rate_; }

  const std::string title_;
  const SteadyTime started_;
  const std::size_t width_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
  double rate_ = 0;  ///< Bytes per second, exponentially averaged.
  SteadyTime sampled_at_;
  std::uint64_t sampled_done_ = 0;
  std::optional<SteadyTime> drawn_at_;
};

}  // namespace dragonfly::dfdaemon
