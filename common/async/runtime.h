#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "common/async/awaitable.h"

namespace dragonfly {

/// CPUs that this process may run on; at least 1. std::thread::hardware_concurrency() counts those
/// of the machine.
[[nodiscard]] std::size_t AllowedCpuCount();

/// A few threads, each running an io_context of its own, so that every executor it hands out is
/// serial. Thread-safe after construction.
class Runtime {
 public:
  /// Starts `threads` (at least 1) threads named `<name>-<i>`; the kernel shows 15 characters.
  Runtime(const std::string& name, std::size_t threads);
  /// Stop() and Join().
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] std::size_t size() const { return contexts_.size(); }
  /// The executor of thread `index % size()`.
  [[nodiscard]] asio::any_io_executor executor(std::size_t index = 0) const;
  /// The executors in turn, for spreading connections.
  [[nodiscard]] asio::any_io_executor Next();

  /// Ends the threads at once; handlers that have not run never will. Stop what lives here first.
  void Stop();
  /// Waits for the threads. Must not be called from one of them.
  void Join();

 private:
  using Guard = asio::executor_work_guard<asio::io_context::executor_type>;

  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<Guard> guards_;
  std::vector<std::thread> threads_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace dragonfly
