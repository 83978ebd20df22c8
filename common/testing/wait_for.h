#pragma once

#include <chrono>
#include <functional>

#include "common/async/awaitable.h"
#include "common/base/clock.h"

namespace dragonfly {

/// Looks at `predicate` again and again until it holds; false when `limit` passed first. For what
/// another thread or process does; within one executor wait for the event itself.
[[nodiscard]] bool WaitFor(const std::function<bool()>& predicate,
                           Duration limit = std::chrono::seconds(20));

/// The same for coroutines: others of the executor run meanwhile.
[[nodiscard]] Awaitable<bool> CoWaitFor(std::function<bool()> predicate,
                                        Duration limit = std::chrono::seconds(20));

}  // namespace dragonfly
