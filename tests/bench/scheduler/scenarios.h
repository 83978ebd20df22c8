#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace dragonfly::bench {

struct LoadFlags {
  std::string target;
  int pid = 0;  ///< Of the server, whose CPU time is counted.
  std::size_t connections = 16;
  std::size_t at_once = 16;
  std::size_t tasks = 16;
  std::size_t hosts = 1000;
  double seconds = 3;
  double warmup_seconds = 1;
  std::uint32_t pieces = 4;
  std::uint32_t burst = 16;
  unsigned rounds = 5;
  /// Peers per task (fill), peers that report (storm), cold tasks.
  std::size_t peers = 1000;
  std::uint16_t seed_port = 0;
  double first_piece_ms = 5;
};

/// Whole conversations, `at_once` at a time: how many per second of the server's CPU, and how long
/// a registration waited for its parents.
nlohmann::json Conversations(const LoadFlags& flags);
/// Piece reports on `at_once` open streams, in bursts of `burst`, per second of the server's CPU.
nlohmann::json Reports(const LoadFlags& flags);
/// Registrations of others while `peers` peers report all of their pieces at once. Before anything
/// of gRPC was used: it forks.
nlohmann::json Storm(const LoadFlags& flags);
/// From the registration of a task that nobody has to its first parent, a seed peer that is played
/// here.
nlohmann::json Cold(const LoadFlags& flags);
/// Hosts, tasks and finished peers for a look at the server's memory.
nlohmann::json Fill(const LoadFlags& flags);

}  // namespace dragonfly::bench
