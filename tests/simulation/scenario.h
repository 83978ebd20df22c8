#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/types.h"

namespace dragonfly::simulation {

/// What happens, to how many, on what links. Times are in seconds, rates in bits per second.
struct Scenario {
  std::string name = "full-swarm";
  std::string evaluator = "default";
  std::uint32_t peers = 1000;  ///< Without the seed.
  std::uint32_t mib = 1024;    ///< Of each layer.
  std::uint32_t piece_mib = 4;
  std::uint32_t layers = 1;
  std::uint32_t layers_at_once = 3;  ///< As containerd pulls an image.
  std::uint64_t seed = 1;
  double rate = 1e9;       ///< Of each link, up and down.
  double thin_rate = 0;    ///< Between the two data centres; 0: there is one only.
  double delay = 0.0005;   ///< One way.
  double noise = 0.2;      ///< Links are so much faster or slower, anew every second.
  double slow = 0.01;      ///< So many peers have a tenth of the uplink.
  double dying = 0.001;    ///< So many peers die half-way.
  bool seed_dies = false;  ///< At half of the bound.
  double spread = 0.0;     ///< Peers come within so long.
  double origin_rate = 0;  ///< 0: as fast as the seed's link.
};

struct Result {
  double bound = 0;  ///< Seconds; see README.md.
  double p50 = 0, p99 = 0, p999 = 0, last = 0;
  double origin_copies = 0;      ///< Bytes that the origin sent, over those of the content.
  double idle_wanted = 0;        ///< Part of the time in which an uplink was idle though wanted.
  double seed_distinct_out = 0;  ///< When the last distinct piece had left the seed.
  double wasted = 0;             ///< Bytes that were sent in vain, over those of all copies.
  std::uint32_t finished = 0, died = 0, unfinished = 0;
  std::uint64_t events = 0;
};

[[nodiscard]] std::vector<std::string> ScenarioNames();
/// The named scenario with `peers` and `mib`; 0: as it is meant.
[[nodiscard]] Scenario MakeScenario(std::string_view name, std::uint32_t peers, std::uint32_t mib);

[[nodiscard]] double Bound(const Scenario& scenario);

/// The same scenario gives the same result.
[[nodiscard]] Result Simulate(const Scenario& scenario);

}  // namespace dragonfly::simulation
