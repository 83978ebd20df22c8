#pragma once

#include <string>

#include "absl/status/status.h"

namespace dragonfly::dfdaemon {

/// What concerns the process as a whole. Call once, before threads start: few and small arenas of
/// malloc (each thread would get one of its own, which costs more than it brings here), no SIGPIPE,
/// as many descriptors as the system gives, and SIGINT, SIGTERM and SIGQUIT kept for
/// WaitForEndSignal().
void PrepareProcess();

/// Takes out of memory what only the start needed: freed blocks of malloc, and the code of this
/// program and its libraries, which comes back from the page cache where it is run again. Most of
/// what is resident of an idle daemon is code that ran once.
void ForgetStart();

/// Blocks until one of those signals comes; returns its name. Another one afterwards ends the
/// process at once.
[[nodiscard]] std::string WaitForEndSignal();

}  // namespace dragonfly::dfdaemon
