#pragma once

// A dispatcher with recorded answers and time that the test moves.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/fake_clock.h"
#include "scheduler/selection/dispatcher.h"
#include "scheduler/swarm/test_swarm.h"

namespace dragonfly::scheduler {

/// Writes down what a peer is told: "empty", "metadata", "source: <reason>", "parents: a,b".
class RecordingChannel final : public PeerChannel {
 public:
  bool SendEmptyTask() override { return Say("empty"); }
  bool SendMetadataOnly() override { return Say("metadata"); }
  bool SendParents(const Peer&, std::span<const ParentFinder::Candidate> parents) override {
    std::string text = "parents: ";
    for (const auto& parent : parents) {
      if (!text.ends_with(' ')) text += ',';
      text += parent.peer->id().str();
    }
    return Say(text);
  }
  bool SendBackToSource(std::string_view description) override {
    return Say(StrCat("source: ", description));
  }
  void Settled(absl::Status status) override {
    EXPECT_FALSE(settled.has_value()) << "told twice";
    settled = std::move(status);
  }

  std::vector<std::string> answers;
  std::optional<absl::Status> settled;
  bool gone = false;  ///< Refuses every answer.

 private:
  bool Say(std::string text) {
    if (gone) return false;
    answers.push_back(std::move(text));
    return true;
  }
};

class RecordingSeeds final : public SeedTrigger {
 public:
  [[nodiscard]] bool HasAvailable() const override { return available; }
  void Trigger(SeedRequest request) override { requests.push_back(std::move(request)); }

  bool available = true;
  std::vector<SeedRequest> requests;
};

class TestDispatcher {
 public:
  explicit TestDispatcher(Dispatcher::Options options = {})
      : evaluator_(*MakeEvaluator("default")) {
    dispatcher = std::make_unique<Dispatcher>(
        options, Dispatcher::Collaborators{hosts, seeds, *evaluator_, config, metrics, Logger()},
        Random(1));
  }

  void AddHost(const std::string& id, HostType type = HostType::kNormal) {
    hosts.Announce(TestSwarm::SomeHost(id, type), clock.Now());
  }
  /// The host of peer `a` is `h-a`.
  static PeerKey Key(const std::string& peer) {
    return {HostId("h-" + peer), TaskId("task"), PeerId(peer)};
  }
  static Registration SomeRegistration() {
    Registration registration;
    registration.task = TestSwarm::SomeTask();
    registration.download = "download";
    return registration;
  }

  std::shared_ptr<RecordingChannel> Register(const std::string& peer,
                                             Registration registration = SomeRegistration()) {
    auto channel = std::make_shared<RecordingChannel>();
    dispatcher->Register(Key(peer), std::move(registration), channel, clock.Now());
    return channel;
  }
  std::shared_ptr<RecordingChannel> RegisterOnNewHost(
      const std::string& peer, Registration registration = SomeRegistration()) {
    AddHost("h-" + peer);
    return Register(peer, std::move(registration));
  }
  /// A seed peer that reads the source.
  void StartSeed(const std::string& peer = "seed") {
    AddHost("h-" + peer, HostType::kSuper);
    Registration registration = SomeRegistration();
    registration.need_back_to_source = true;
    const auto channel = Register(peer, registration);
    EXPECT_EQ(channel->answers.size(), 1U);
    EXPECT_TRUE(dispatcher->BackToSourceStarted(Key(peer), clock.Now()).ok());
  }
  /// Lets time pass from deadline to deadline.
  void Pass(Duration time) {
    const SteadyTime end = clock.Now() + time;
    while (true) {
      const auto next = dispatcher->NextDeadline();
      if (!next.has_value() || *next > end) break;
      if (*next > clock.Now()) clock.Advance(*next - clock.Now());
      dispatcher->Advance(clock.Now());
    }
    if (end > clock.Now()) clock.Advance(end - clock.Now());
  }
  [[nodiscard]] const Task* task() const { return dispatcher->FindTask(TaskId("task")); }
  [[nodiscard]] const Peer* peer(const std::string& id) const {
    return dispatcher->FindPeer(TaskId("task"), PeerId(id));
  }
  /// The name of its state, or "gone".
  [[nodiscard]] std::string StateOf(const std::string& id) const {
    const Peer* const found = peer(id);
    return found == nullptr ? "gone" : std::string(Name(found->state()));
  }

  FakeClock clock;
  HostTable hosts;
  RecordingSeeds seeds;
  DynamicConfigHolder config;
  NullSchedulingMetrics metrics;
  std::unique_ptr<Dispatcher> dispatcher;

 private:
  std::unique_ptr<const Evaluator> evaluator_;
};

}  // namespace dragonfly::scheduler
