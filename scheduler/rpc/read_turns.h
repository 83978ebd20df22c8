#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>

#include <boost/asio/steady_timer.hpp>

#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace dragonfly::scheduler {

/// How fast piece reports are read while somebody registers. When a thousand peers report at once,
/// gRPC hands out all that has arrived in the order of its arrival, and a registration waits behind all
/// of it. So as long as there are registrations, reports get a bounded part of each moment; the rest
/// waits in gRPC's buffers, where it costs next to nothing, and then at its clients.
///
/// The bound is about half of what a core can do, and far above what a cluster needs: 128,000 reports a
/// second are 500 GiB/s of content. Thread-safe.
class ReadTurns : public std::enable_shared_from_this<ReadTurns> {
 public:
  /// A conversation.
  class Reader {
   public:
    virtual ~Reader() = default;
    /// It may read `reports`. On the executor; must not call ReadTurns.
    virtual void Resume(int reports) = 0;
  };

  /// Every conversation may read so many before it asks: small contents never wait.
  static constexpr int kFree = 5;
  /// The longest turn.
  static constexpr int kMost = 32;
  static constexpr int kReportsPerCore = 256;  ///< Each moment.
  static constexpr std::chrono::milliseconds kMoment{2};
  /// After the last registration nothing is held back any more.
  static constexpr std::chrono::milliseconds kPressed{500};

  /// `executor` (serial) resumes those that wait.
  ReadTurns(const asio::any_io_executor& executor, std::size_t cores);

  /// Somebody registers.
  void Registration();
  /// True: `reader` may read `reports` now. False: it has to wait for Resume(), which may come before
  /// this returns.
  bool Take(const std::shared_ptr<Reader>& reader, int reports);

  /// Nobody is resumed any more. On the executor.
  void Stop();

 private:
  void SetTimer();
  void Tick();

  struct Waiting {
    std::shared_ptr<Reader> reader;
    int reports = 0;
  };

  [[nodiscard]] bool Pressed(SteadyTime now) const {
    return now - last_registration_.load(std::memory_order_relaxed) < kPressed;
  }

  const int reports_;  // Each moment.
  std::atomic<SteadyTime> last_registration_{};

  Mutex mutex_;
  SteadyTime moment_ ABSL_GUARDED_BY(mutex_);
  int left_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  bool timer_set_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;

  asio::steady_timer timer_;  // Only on its executor.
};

}  // namespace dragonfly::scheduler
