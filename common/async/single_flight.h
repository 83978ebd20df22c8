#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "absl/container/flat_hash_map.h"
#include "common/async/awaitable.h"
#include "common/async/notifier.h"
#include "common/async/task_group.h"

namespace dragonfly {

/// The same request twice at once is one request with two waiters. Belongs to one serial executor.
/// The work is owned by the group given to the constructor: a caller that leaves does not stop it.
/// When the group stops it, its callers see operation_aborted thrown, as if they were cancelled.
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
      group_.Spawn(Fly(Landing(*this, std::move(key), flight), flight, start()));
    }
    while (!flight->landed) {
      const auto version = flight->done.version();
      co_await flight->done.WaitPast(version);
    }
    if (!flight->result) throw boost::system::system_error(asio::error::operation_aborted);
    co_return *flight->result;
  }

  [[nodiscard]] std::size_t size() const { return flights_.size(); }

 private:
  struct Flight {
    explicit Flight(asio::any_io_executor executor) : done(std::move(executor)) {}
    Notifier done;
    bool landed = false;
    std::optional<Result> result;  // Nothing when the work was cancelled.
  };

  // Ends the flight with the work, also when that is cancelled or never begins: the next caller
  // must not join a dead flight.
  class Landing {
   public:
    Landing(SingleFlight& owner, Key key, std::shared_ptr<Flight> flight)
        : owner_(owner), key_(std::move(key)), flight_(std::move(flight)) {}
    Landing(Landing&&) noexcept = default;
    Landing& operator=(Landing&&) = delete;
    ~Landing() {
      if (flight_ == nullptr) return;
      owner_.flights_.erase(key_);
      flight_->landed = true;
      flight_->done.Notify();
    }

   private:
    SingleFlight& owner_;
    Key key_;
    std::shared_ptr<Flight> flight_;
  };

  static Awaitable<> Fly(Landing landing, std::shared_ptr<Flight> flight, Awaitable<Result> work) {
    const Landing at_the_end = std::move(landing);
    flight->result = co_await std::move(work);
  }

  TaskGroup& group_;
  absl::flat_hash_map<Key, std::shared_ptr<Flight>> flights_;
};

}  // namespace dragonfly
