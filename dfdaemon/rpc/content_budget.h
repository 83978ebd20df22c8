#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/notifier.h"
#include "common/base/clock.h"
#include "common/base/types.h"

namespace dragonfly::dfdaemon {

/// How many bytes of content may be in memory at once, for answers that carry whole pieces. Runs
/// on: the `io` executor, which outlives the budget and what it gave.
class ContentBudget {
 public:
  struct Options {
    /// The longest piece fits, and sixteen of the usual ones.
    std::uint64_t bytes = 64 * kMiB;
    /// Who comes when so many wait is refused.
    std::size_t max_waiting = 256;
  };

  ContentBudget(asio::any_io_executor io, Options options);
  explicit ContentBudget(asio::any_io_executor io) : ContentBudget(std::move(io), Options()) {}

  /// A share of the budget, given back with the last copy, on any thread.
  using Share = std::shared_ptr<void>;

  /// Waits until `bytes` fit, first come first served; more than the whole budget fit when nothing
  /// else is out. ResourceExhausted when too many wait.
  Awaitable<absl::StatusOr<Share>> Take(std::uint64_t bytes);

  /// Bytes that are out.
  [[nodiscard]] std::uint64_t taken() const { return state_->taken; }
  [[nodiscard]] std::size_t waiting() const { return state_->queue.size(); }

 private:
  struct State {
    explicit State(asio::any_io_executor executor) : io(executor), changed(std::move(executor)) {}
    const asio::any_io_executor io;
    Notifier changed;
    std::uint64_t taken = 0;
    std::list<int> queue;  // One entry per waiter.
  };

  const Options options_;
  const std::shared_ptr<State> state_;
};

}  // namespace dragonfly::dfdaemon
