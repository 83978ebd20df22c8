#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "tests/bench/scheduler/client.h"

namespace dragonfly::bench {

/// Where benchmark hosts and tasks begin; parents and children never share a host.
inline constexpr std::size_t kParentHosts = 8;

/// So many conversations at a time, each peer on a random host, tasks in turn.
class Crowd {
 public:
  struct Options {
    std::size_t at_once = 16;
    std::size_t tasks = 16;
    std::size_t hosts = 1000;
    Conversation::Plan plan;
  };

  Crowd(Client& client, const Options& options);

  /// Gives every task three peers that have all of it.
  void PrepareTasks();
  /// Begins them; each that ends is followed by another one until Stop().
  void Start();
  /// No more are begun.
  void Stop() { stopping_ = true; }

  [[nodiscard]] std::size_t open() const { return open_; }
  [[nodiscard]] std::uint64_t ended() const { return ended_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Conversation>>& all() const { return all_; }
  /// Latencies of registrations since the last call, in ms, sorted.
  std::vector<float> TakeLatencies();

 private:
  void BeginNext(Conversation& conversation);
  void Ended(Conversation& conversation);

  Client& client_;
  const Options options_;
  std::vector<std::unique_ptr<Conversation>> all_;
  std::mt19937_64 random_{1};
  std::uint64_t peers_ = 0;
  std::size_t open_ = 0;
  std::uint64_t ended_ = 0;
  bool stopping_ = false;
  std::vector<float> latencies_;
};

/// User and system time of a process so far, in seconds.
[[nodiscard]] double CpuSeconds(int pid);
/// Of sorted values; 0 when there are none.
[[nodiscard]] double Quantile(const std::vector<float>& sorted, double q);
/// Numbers of peers that no earlier process used.
[[nodiscard]] std::uint64_t FreshPeerNumbers();

}  // namespace dragonfly::bench
