#pragma once

#include <cstdint>
#include <memory>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/async/awaitable.h"
#include "common/base/clock.h"

namespace dragonfly {

/// "Something changed, look again", for coroutines of one serial executor.
///
/// Read version(), test the condition, then WaitPast(version): a Notify() in between is not lost.
/// Notify() runs on that executor; from elsewhere use NotifyFromAnyThread().
class Notifier {
 public:
  explicit Notifier(asio::any_io_executor executor)
      : state_(std::make_shared<State>(std::move(executor))) {}

  [[nodiscard]] std::uint64_t version() const { return state_->version; }

  void Notify() { state_->Notify(); }
  void NotifyFromAnyThread() {
    asio::post(state_->executor, [state = state_] { state->Notify(); });
  }

  /// Returns true when version() differs from `seen`, false when `deadline` passed first.
  Awaitable<bool> WaitPast(std::uint64_t seen, SteadyTime deadline = SteadyTime::max()) {
    const auto state = state_;
    while (state->version == seen) {
      if (std::chrono::steady_clock::now() >= deadline) co_return false;
      // Every waiter has a timer of its own: deadlines differ, and cancelling one wait must not
      // wake the others.
      asio::steady_timer timer(state->executor, deadline);
      Waiter waiter(*state, timer);
      auto [error] = co_await timer.async_wait(kAwait);
      (void)error;
    }
    co_return true;
  }

 private:
  struct Waiter;
  struct State {
    explicit State(asio::any_io_executor serial) : executor(std::move(serial)) {}
    void Notify();
    asio::any_io_executor executor;
    std::uint64_t version = 0;
    Waiter* first = nullptr;
  };
  // Intrusive list node: no allocation per wait.
  struct Waiter {
    Waiter(State& owner, asio::steady_timer& its_timer) : state(owner), timer(its_timer) {
      next = state.first;
      if (next != nullptr) next->previous = this;
      state.first = this;
    }
    ~Waiter() {
      if (previous != nullptr) previous->next = next;
      if (next != nullptr) next->previous = previous;
      if (state.first == this) state.first = next;
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    State& state;
    asio::steady_timer& timer;
    Waiter* next = nullptr;
    Waiter* previous = nullptr;
  };

  std::shared_ptr<State> state_;
};

inline void Notifier::State::Notify() {
  ++version;
  for (Waiter* waiter = first; waiter != nullptr; waiter = waiter->next) waiter->timer.cancel();
}

}  // namespace dragonfly
