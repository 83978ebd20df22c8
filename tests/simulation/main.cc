// df_simulation: one scenario, a line for people and one of JSON. See README.md.

#include <chrono>
#include <string>

#include <fmt/core.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tests/simulation/scenario.h"

int main(int argc, char** argv) {
  using namespace dragonfly::simulation;
  CLI::App app("Swarms on virtual links and a virtual clock");
  std::string name = "full-swarm";
  std::string evaluator = "default";
  std::uint32_t peers = 0;
  std::uint32_t mib = 0;
  std::uint64_t seed = 1;
  double mbit = 0;
  double noise = -1;
  bool list = false;
  app.add_option("--scenario", name)->check(CLI::IsMember(ScenarioNames()));
  app.add_option("--evaluator", evaluator)->check(CLI::IsMember({"default", "load-aware"}));
  app.add_option("--peers", peers, "0: as the scenario has it");
  app.add_option("--mib", mib, "Of each layer");
  app.add_option("--seed", seed);
  app.add_option("--mbit", mbit, "Of each link");
  app.add_option("--noise", noise, "Part by which links are faster or slower");
  app.add_flag("--list", list, "Names of the scenarios");
  CLI11_PARSE(app, argc, argv);
  if (list) {
    for (const std::string& each : ScenarioNames()) fmt::print("{}\n", each);
    return 0;
  }
  Scenario scenario = MakeScenario(name, peers, mib);
  scenario.evaluator = evaluator;
  scenario.seed = seed;
  if (noise >= 0) scenario.noise = noise;
  if (mbit > 0) {
    if (scenario.thin_rate > 0) scenario.thin_rate *= mbit * 1e6 / scenario.rate;
    scenario.rate = mbit * 1e6;
  }
  const auto began = std::chrono::steady_clock::now();
  const Result result = Simulate(scenario);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const double bound = result.bound;
  fmt::print(
      "{} {} peers={} mib={} bound={:.2f}s p50={:.3f} p99={:.3f} p99.9={:.3f} last={:.3f} "
      "origin={:.3f} idle-wanted={:.2f}% wasted={:.2f}% took={:.1f}s\n",
      name, evaluator, scenario.peers, scenario.mib, bound, result.p50 / bound, result.p99 / bound,
      result.p999 / bound, result.last / bound, result.origin_copies, 100 * result.idle_wanted,
      100 * result.wasted, took.count());
  const nlohmann::json line = {{"scenario", name},
                               {"evaluator", evaluator},
                               {"peers", scenario.peers},
                               {"layers", scenario.layers},
                               {"mib", scenario.mib},
                               {"seed", seed},
                               {"bound_s", bound},
                               {"p50_s", result.p50},
                               {"p99_s", result.p99},
                               {"p999_s", result.p999},
                               {"last_s", result.last},
                               {"origin_copies", result.origin_copies},
                               {"idle_wanted", result.idle_wanted},
                               {"wasted", result.wasted},
                               {"seed_distinct_out_s", result.seed_distinct_out},
                               {"finished", result.finished},
                               {"died", result.died},
                               {"unfinished", result.unfinished},
                               {"events", result.events},
                               {"wall_s", took.count()}};
  fmt::print("{}\n", line.dump());
  return result.unfinished == 0 ? 0 : 1;
}
