#include "common/testing/wait_for.h"

#include <thread>

#include "common/async/sleep.h"

namespace dragonfly {
namespace {

constexpr std::chrono::milliseconds kStep(1);

}  // namespace

bool WaitFor(const std::function<bool()>& predicate, Duration limit) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + limit;
  while (!predicate()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kStep);
  }
  return true;
}

Awaitable<bool> CoWaitFor(std::function<bool()> predicate, Duration limit) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + limit;
  while (!predicate()) {
    if (std::chrono::steady_clock::now() >= deadline) co_return false;
    co_await SleepFor(kStep);
  }
  co_return true;
}

}  // namespace dragonfly
