#include <gtest/gtest.h>

#include "tests/simulation/scenario.h"

namespace dragonfly::simulation {
namespace {

Scenario Small(const char* name, std::uint32_t peers, std::uint32_t mib) {
  Scenario scenario = MakeScenario(name, peers, mib);
  scenario.seed = 7;
  return scenario;
}

TEST(SimulationTest, TheSameSeedGivesTheSame) {
  const Scenario scenario = Small("dying-peers", 40, 64);
  const Result first = Simulate(scenario);
  const Result second = Simulate(scenario);
  EXPECT_EQ(first.events, second.events);
  EXPECT_EQ(first.last, second.last);
  Scenario other = scenario;
  other.seed = 8;
  EXPECT_NE(Simulate(other).last, first.last);
}

TEST(SimulationTest, NobodyIsFasterThanTheBound) {
  Scenario scenario = Small("full-swarm", 50, 256);
  scenario.noise = scenario.slow = scenario.dying = 0;
  const Result result = Simulate(scenario);
  EXPECT_EQ(result.finished, 50U);
  EXPECT_GE(result.last, result.bound);
}

// A star, where all get everything from the seed, takes fifty times the bound; a chain in which
// each waits for the whole content takes longer still.
TEST(SimulationTest, ASwarmStaysNearTheBound) {
  for (const char* const evaluator : {"default", "load-aware"}) {
    Scenario scenario = Small("full-swarm", 100, 512);
    scenario.evaluator = evaluator;
    const Result result = Simulate(scenario);
    EXPECT_EQ(result.unfinished, 0U) << evaluator;
    EXPECT_LE(result.p999, 2 * result.bound) << evaluator;
    EXPECT_LE(result.origin_copies, 1.01) << evaluator;
  }
}

TEST(SimulationTest, SlowLinksStayNearTheBound) {
  const Result result = Simulate(Small("broadcast", 64, 64));
  EXPECT_EQ(result.finished, 64U);
  EXPECT_LE(result.last, 1.8 * result.bound);
  EXPECT_EQ(result.origin_copies, 1);
}

TEST(SimulationTest, TheOthersFinishThoughSomeDie) {
  const Result result = Simulate(Small("dying-peers", 100, 256));
  EXPECT_EQ(result.unfinished, 0U);
  EXPECT_GT(result.died, 0U);
  EXPECT_LE(result.origin_copies, 1.1);
}

TEST(SimulationTest, TheSwarmOutlivesItsSeed) {
  const Result result = Simulate(Small("dead-seed", 50, 256));
  EXPECT_EQ(result.unfinished, 0U);
}

}  // namespace
}  // namespace dragonfly::simulation
