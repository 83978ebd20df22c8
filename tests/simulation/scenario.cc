#include "tests/simulation/scenario.h"

#include <cmath>

#include "common/base/check.h"

namespace dragonfly::simulation {

std::vector<std::string> ScenarioNames() {
  return {"full-swarm",  "slow-peers", "dying-peers", "dead-seed",
          "flash-crowd", "two-idcs",   "image",       "broadcast"};
}

Scenario MakeScenario(std::string_view name, std::uint32_t peers, std::uint32_t mib) {
  Scenario scenario;
  scenario.name = name;
  if (name == "slow-peers") {
    scenario.slow = 0.1;
  } else if (name == "dying-peers") {
    scenario.dying = 0.05;
  } else if (name == "dead-seed") {
    scenario.seed_dies = true;
  } else if (name == "flash-crowd") {
    scenario.peers = 10'000;
    scenario.spread = 1;
  } else if (name == "two-idcs") {
    scenario.peers = 200;
    scenario.thin_rate = scenario.rate;
  } else if (name == "image") {
    scenario.peers = 100;
    scenario.layers = 40;
    scenario.mib = 64;
  } else if (name == "broadcast") {  // What tests/bench/broadcast does for real.
    scenario.peers = 64;
    scenario.mib = 64;
    scenario.rate = 20e6;
    scenario.noise = scenario.slow = scenario.dying = 0;
  } else {
    DF_CHECK(name == "full-swarm");
  }
  if (peers != 0) scenario.peers = peers;
  if (mib != 0) scenario.mib = mib;
  return scenario;
}

double Bound(const Scenario& scenario) {
  const double pieces = std::ceil(static_cast<double>(scenario.mib) / scenario.piece_mib) *
                        static_cast<double>(scenario.layers);
  const double steps = pieces - 1 + std::ceil(std::log2(scenario.peers + 1.0));
  return steps * static_cast<double>(scenario.piece_mib * kMiB) * 8 / scenario.rate;
}

}  // namespace dragonfly::simulation
