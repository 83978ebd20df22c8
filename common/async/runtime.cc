#include "common/async/runtime.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace dragonfly {

std::size_t AllowedCpuCount() {
  cpu_set_t allowed;
  // Fails on machines with more CPUs than the set has room for.
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return std::max(1U, std::thread::hardware_concurrency());
  }
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&allowed)));
}

Runtime::Runtime(const std::string& name, std::size_t threads) {
  threads = std::max<std::size_t>(threads, 1);
  for (std::size_t i = 0; i < threads; ++i) {
    // Concurrency hint 1: one thread per context, so Asio may leave out its internal wake-ups.
    contexts_.push_back(std::make_unique<asio::io_context>(1));
    guards_.push_back(asio::make_work_guard(*contexts_.back()));
  }
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([context = contexts_[i].get()] { context->run(); });
    const std::string thread_name = absl::StrCat(name, "-", i).substr(0, 15);
    pthread_setname_np(threads_.back().native_handle(), thread_name.c_str());
  }
}

Runtime::~Runtime() {
  Stop();
  Join();
}

asio::any_io_executor Runtime::executor(std::size_t index) const {
  return contexts_[index % contexts_.size()]->get_executor();
}

asio::any_io_executor Runtime::Next() {
  return executor(next_.fetch_add(1, std::memory_order_relaxed));
}

void Runtime::Stop() {
  for (Guard& guard : guards_) guard.reset();
  for (const auto& context : contexts_) context->stop();
}

void Runtime::Join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace dragonfly
