#include "scheduler/rpc/read_turns.h"

#include <utility>
#include <vector>

#include <boost/asio/post.hpp>

namespace dragonfly::scheduler {

ReadTurns::ReadTurns(const asio::any_io_executor& executor, std::size_t cores)
    : reports_(static_cast<int>(cores) * kReportsPerCore), timer_(executor) {}

void ReadTurns::Registration() {
  last_registration_.store(std::chrono::steady_clock::now(), std::memory_order_relaxed);
}

bool ReadTurns::Take(const std::shared_ptr<Reader>& reader, int reports) {
  {
    const SteadyTime now = std::chrono::steady_clock::now();
    const MutexLock lock(mutex_);
    // While somebody waits, moments are the timer's.
    if (waiting_.empty()) {
      if (!Pressed(now)) return true;
      if (now - moment_ >= kMoment) {
        moment_ = now;
        left_ = reports_;
      }
      if (left_ > 0) {
        left_ -= reports;
        return true;
      }
    }
    waiting_.push_back({reader, reports});
    if (stopped_ || std::exchange(timer_set_, true)) return false;
  }
  asio::post(timer_.get_executor(), [self = shared_from_this()] { self->SetTimer(); });
  return false;
}

void ReadTurns::SetTimer() {
  timer_.expires_after(kMoment);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->Tick();
  });
}

void ReadTurns::Tick() {
  std::vector<Waiting> resumed;
  bool again = false;
  {
    const MutexLock lock(mutex_);
    if (stopped_) return;
    moment_ = std::chrono::steady_clock::now();
    left_ = reports_;
    const bool pressed = Pressed(moment_);
    while (!waiting_.empty() && (left_ > 0 || !pressed)) {
      left_ -= waiting_.front().reports;
      resumed.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    again = timer_set_ = !waiting_.empty();
  }
  // Before they read: what they bring must not make the next moment later.
  if (again) SetTimer();
  for (const Waiting& one : resumed) one.reader->Resume(one.reports);
}

void ReadTurns::Stop() {
  timer_.cancel();
  std::deque<Waiting> dropped;
  const MutexLock lock(mutex_);
  stopped_ = true;
  dropped.swap(waiting_);
}

}  // namespace dragonfly::scheduler
