// What a decision costs without anything around it: the scheduler's own code in this process, one
// task, no network, one thread. Prints one JSON object.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "CLI/CLI.hpp"
#include "common/base/check.h"
#include "common/base/strings.h"
#include "tests/bench/scheduler/messages.h"
#include "scheduler/selection/dispatcher.h"

namespace dragonfly::scheduler {
namespace {

using Wall = std::chrono::steady_clock;

class NoSeeds final : public SeedTrigger {
 public:
  [[nodiscard]] bool HasAvailable() const override { return false; }
  void Trigger(SeedRequest) override {}
};

class CountingChannel final : public PeerChannel {
 public:
  bool SendEmptyTask() override { return true; }
  bool SendMetadataOnly() override { return true; }
  bool SendParents(const Peer&, std::span<const ParentFinder::Candidate> parents) override {
    ++answers;
    offered += parents.size();
    return true;
  }
  bool SendBackToSource(std::string_view) override { return true; }
  void Settled(absl::Status status) override {
    if (status.ok()) return;
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::exit(1);
  }

  std::size_t answers = 0;
  std::size_t offered = 0;
};

/// A task whose peers all download, each from parents that came before it.
class CrowdedTask {
 public:
  CrowdedTask(std::size_t peers, const std::string& algorithm)
      : evaluator_(*MakeEvaluator(algorithm)),
        dispatcher_({}, {hosts_, seeds_, *evaluator_, config_, metrics_, Logger()}, Random(1)) {
    for (std::size_t i = 0; i < peers; ++i) {
      HostInfo host;
      host.id = HostId(bench::HostIdOf(i));
      host.hostname = bench::HostName(i);
      host.ip = "10.0.0.1";
      host.port = 4000;
      host.type = i == 0 ? HostType::kSuper : HostType::kNormal;
      host.idc = i % 3 == 0 ? "fra-dc1" : "fra-dc2";
      host.location = StrCat("eu|de|fra|dc1|r", i % 40);
      host.max_tx_bandwidth = 10'000'000'000;
      hosts_.Announce(std::move(host), now_);
      const PeerKey& key = keys_.emplace_back(
          PeerKey{HostId(bench::HostIdOf(i)), TaskId(bench::TaskIdOf(1)),
                  PeerId(bench::PeerIdOf(i, i))});
      Register(key);
      DF_CHECK(i == 0 ? dispatcher_.BackToSourceStarted(key, now_).ok()
                      : dispatcher_.Started(key, now_).ok());
    }
  }

  [[nodiscard]] std::size_t size() const { return keys_.size(); }
  [[nodiscard]] const CountingChannel& channel() const { return *channel_; }

  void Reschedule(std::size_t peer) {
    dispatcher_.Reschedule(keys_[peer], {}, channel_, now_);
  }
  /// A peer that came, started and went.
  void ComeAndGo(std::size_t host) {
    PeerKey key = keys_[host];
    key.peer_id = PeerId("visitor");
    key.host_id = keys_[(host + 1) % keys_.size()].host_id;
    Register(key);
    DF_CHECK(dispatcher_.Started(key, now_).ok());
    dispatcher_.DeletePeer(key.task_id, key.peer_id, now_);
  }
  [[nodiscard]] bool HasChildren(std::size_t peer) const {
    return !dispatcher_.FindPeer(keys_[peer].task_id, keys_[peer].peer_id)->children().empty();
  }

 private:
  void Register(const PeerKey& key) {
    Registration registration;
    registration.task.url = "https://example.com/f";
    registration.task.piece_length = bench::kPieceLength;
    registration.task.piece_count = bench::kPieceCount;
    registration.task.content_length =
        static_cast<std::int64_t>(bench::kPieceLength * bench::kPieceCount);
    dispatcher_.Register(key, std::move(registration), channel_, now_);
  }

  const SteadyTime now_{std::chrono::hours(1)};
  HostTable hosts_;
  NoSeeds seeds_;
  DynamicConfigHolder config_;
  NullSchedulingMetrics metrics_;
  std::unique_ptr<const Evaluator> evaluator_;
  std::shared_ptr<CountingChannel> channel_ = std::make_shared<CountingChannel>();
  std::vector<PeerKey> keys_;
  Dispatcher dispatcher_;
};

/// How often a second.
template <class Decide>
double Rate(double seconds, const Decide& decide) {
  constexpr std::size_t kPerLook = 100;
  std::size_t count = 0;
  const auto begun = Wall::now();
  std::chrono::duration<double> passed{};
  do {
    for (std::size_t i = 0; i < kPerLook; ++i) decide(count++);
    passed = Wall::now() - begun;
  } while (passed.count() < seconds);
  return static_cast<double>(count) / passed.count();
}

int Main(int argc, char** argv) {
  std::size_t peers = 10'000;
  double seconds = 2;
  std::string algorithm = "default";
  CLI::App app("Decisions per second of one thread.");
  app.add_option("--peers", peers, "of the task");
  app.add_option("--seconds", seconds, "for each figure");
  app.add_option("--algorithm", algorithm, "the evaluator");
  CLI11_PARSE(app, argc, argv);

  CrowdedTask task(peers, algorithm);
  std::vector<std::size_t> leaves;
  for (std::size_t i = 1; i < task.size(); ++i) {
    if (!task.HasChildren(i)) leaves.push_back(i);
  }
  Random random(2);
  const std::size_t before = task.channel().answers;
  const double leaf = Rate(seconds, [&](std::size_t i) {
    task.Reschedule(leaves[i * 7919 % leaves.size()]);
  });
  DF_CHECK(task.channel().answers > before);
  const double visitor =
      Rate(seconds, [&](std::size_t i) { task.ComeAndGo(1 + i * 7919 % (task.size() - 1)); });
  // Of those who came first everybody is a descendant, and they would wait.
  const double with_descendants = Rate(seconds, [&](std::size_t) {
    task.Reschedule(task.size() / 2 + static_cast<std::size_t>(random.Below(task.size() / 2)));
  });
  const nlohmann::json result = {{"peers", peers},
                                 {"leaves", leaves.size()},
                                 {"decisions_per_second", leaf},
                                 {"come_and_go_per_second", visitor},
                                 {"with_descendants_per_second", with_descendants}};
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace dragonfly::scheduler

int main(int argc, char** argv) { return dragonfly::scheduler::Main(argc, argv); }
