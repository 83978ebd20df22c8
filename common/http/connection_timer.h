#pragma once

#include <cstdint>
#include <memory>

#include <boost/asio/steady_timer.hpp>

#include "common/base/clock.h"
#include "common/http/stream.h"

namespace dragonfly {

/// The time limits of one connection: when the present one passes, the stream is cancelled. Changing
/// the limit is a store; the one timer is moved only when it would fire too late. Belongs to the
/// stream's executor.
class ConnectionTimer {
 public:
  explicit ConnectionTimer(asio::any_io_executor executor)
      : state_(std::make_shared<State>(std::move(executor))) {}
  ~ConnectionTimer() {
    state_->stream = nullptr;
    state_->timer.cancel();
  }
  ConnectionTimer(const ConnectionTimer&) = delete;
  ConnectionTimer& operator=(const ConnectionTimer&) = delete;

  /// `stream` may be null: then nothing happens when a limit passes.
  void SetStream(HttpStream* stream) { state_->stream = stream; }

  /// Fires `limit` from now.
  void Within(Duration limit) { Set(limit, Duration::zero()); }
  /// Fires when no byte moved for `limit` (at the latest after twice that).
  void WhileMoving(Duration limit) { Set(limit, limit); }
  void Off() { state_->deadline = SteadyTime::max(); }
  [[nodiscard]] bool fired() const { return state_->fired; }

 private:
  struct State {
    explicit State(asio::any_io_executor executor) : timer(std::move(executor)) {}
    asio::steady_timer timer;
    HttpStream* stream = nullptr;
    SteadyTime deadline = SteadyTime::max();
    SteadyTime armed_for = SteadyTime::max();  // max: not armed.
    Duration stall = Duration::zero();         // zero: the deadline does not move.
    std::uint64_t progress = 0;
    bool fired = false;
  };

  void Set(Duration limit, Duration stall) {
    state_->deadline = std::chrono::steady_clock::now() + limit;
    state_->stall = stall;
    if (state_->stream != nullptr) state_->progress = state_->stream->progress();
    if (state_->deadline < state_->armed_for) Arm(state_);
  }

  static void Arm(const std::shared_ptr<State>& state) {
    state->armed_for = state->deadline;
    state->timer.expires_at(state->deadline);
    state->timer.async_wait([weak = std::weak_ptr(state)](const boost::system::error_code& error) {
      if (error) return;  // Moved or ended.
      if (const auto alive = weak.lock()) OnTimer(alive);
    });
  }

  static void OnTimer(const std::shared_ptr<State>& state) {
    state->armed_for = SteadyTime::max();
    if (state->stream == nullptr || state->deadline == SteadyTime::max()) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now >= state->deadline && state->stall != Duration::zero() &&
        state->stream->progress() != state->progress) {
      state->progress = state->stream->progress();
      state->deadline = now + state->stall;
    }
    if (now < state->deadline) {
      Arm(state);
      return;
    }
    state->fired = true;
    state->stream->Cancel();
  }

  const std::shared_ptr<State> state_;
};

}  // namespace dragonfly
