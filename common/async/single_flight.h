#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/async/awaitable.h"
#include "common/async/notifier.h"
#include "common/async/task_group.h"

namespace dragonfly {

/// The same request twice at once is one request with two waiters. Belongs to one serial executor.
/// The work is owned by the group given to the constructor: a caller that leaves does not stop it.
template <class Key, class Result>
class SingleFlight {
 public:
  explicit SingleFlight(TaskGroup& group) : group_(group) {}

  /// Joins the flight for `key`, or starts it with `start()` -> Awaitable<Result>. Result is copied
  /// to every waiter.
  template <class Start>
  Awaitable<Result> Do(Key key, Start start) {
    std::shared_ptr<Flight> flight;
    if (auto found = flights_.find(key); found != flights_.end()) {
      flight = found->second;
    } else {
      flight = std::make_shared<Flight>(group_.executor());
      flights_.emplace(key, flight);
      group_.Spawn(Fly(key, flight, start()));
    }
    while (!flight->result.has_value()) {
      const auto version = flight->done.version();
      co_await flight->done.WaitPast(version);
    }
    co_return *flight->result;
  }

  [[nodiscard]] std::size_t size() const { return flights_.size(); }

 private:
  struct Flight {
    explicit Flight(asio::any_io_executor executor) : done(std::move(executor)) {}
    Notifier done;
    std::optional<Result> result;
  };

  Awaitable<> Fly(Key key, std::shared_ptr<Flight> flight, Awaitable<Result> work) {
    // Also when the work is cancelled: the next caller must not join a dead flight.
    struct Leave {
      SingleFlight& owner;
      const Key& key;
      ~Leave() { owner.flights_.erase(key); }
    };
    const Leave leave{*this, key};
    flight->result = co_await std::move(work);
    flight->done.Notify();
  }

  TaskGroup& group_;
  absl::flat_hash_map<Key, std::shared_ptr<Flight>> flights_;
};

}  // namespace dragonfly
