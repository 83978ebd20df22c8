#include "dfdaemon/rpc/content_budget.h"

#include <utility>

#include <boost/asio/post.hpp>

namespace dragonfly::dfdaemon {

ContentBudget::ContentBudget(asio::any_io_executor io, Options options)
    : options_(options), state_(std::make_shared<State>(std::move(io))) {}

Awaitable<absl::StatusOr<ContentBudget::Share>> ContentBudget::Take(std::uint64_t bytes) {
  const auto state = state_;
  if (state->queue.size() >= options_.max_waiting) {
    co_return absl::ResourceExhaustedError("too many pieces are being served, ask again later");
  }
  // Leaves the queue also when the caller goes away while it waits.
  struct Place {
    explicit Place(State& its_state)
        : state(its_state), position(its_state.queue.insert(its_state.queue.end(), 0)) {}
    ~Place() {
      state.queue.erase(position);
      state.changed.Notify();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    [[nodiscard]] bool first() const { return position == state.queue.begin(); }
    State& state;
    const std::list<int>::iterator position;
  } place(*state);
  while (true) {
    const auto version = state->changed.version();
    const bool fits = state->taken == 0 ||
                      (state->taken <= options_.bytes && bytes <= options_.bytes - state->taken);
    if (place.first() && fits) break;
    (void)co_await state->changed.WaitPast(version);
  }
  state->taken += bytes;
  co_return Share(state.get(), [state, bytes](void*) {
    asio::post(state->io, [state, bytes] {
      state->taken -= bytes;
      state->changed.Notify();
    });
  });
}

}  // namespace dragonfly::dfdaemon
