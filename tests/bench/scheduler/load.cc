// The peers of the benchmark. One scenario per run; prints one JSON object. See README.md.

#include <cstdio>
#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "tests/bench/scheduler/scenarios.h"

namespace dragonfly::bench {
namespace {

int Main(int argc, char** argv) {
  LoadFlags flags;
  CLI::App app("Plays the peers of a scheduler.");
  app.require_subcommand(1);
  app.add_option("--target", flags.target, "the scheduler, ip:port")->required();
  app.add_option("--pid", flags.pid, "its process, whose CPU time counts");
  app.add_option("--connections", flags.connections);
  app.add_option("--tasks", flags.tasks);
  app.add_option("--hosts", flags.hosts);
  app.add_option("--at-once", flags.at_once, "conversations at a time");
  app.add_option("--seconds", flags.seconds, "that are measured");
  app.add_option("--warmup", flags.warmup_seconds, "seconds before that");
  app.add_option("--pieces", flags.pieces, "reported in each conversation");
  app.add_option("--burst", flags.burst, "reports that leave together");
  app.add_option("--rounds", flags.rounds, "storms");
  app.add_option("--peers", flags.peers, "per task (fill), in a storm, cold tasks");
  app.add_option("--seed-port", flags.seed_port, "where the played seed listens; 0: any");
  app.add_option("--first-piece-ms", flags.first_piece_ms, "until the seed has its first piece");
  nlohmann::json result;
  const auto add = [&](const char* name, nlohmann::json (*run)(const LoadFlags&)) {
    app.add_subcommand(name)->callback([&result, &flags, run] { result = run(flags); });
  };
  add("conversations", Conversations);
  add("reports", Reports);
  add("storm", Storm);
  add("cold", Cold);
  add("fill", Fill);
  app.fallthrough();
  CLI11_PARSE(app, argc, argv);
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace dragonfly::bench

int main(int argc, char** argv) { return dragonfly::bench::Main(argc, argv); }
