#include "scheduler/selection/vectors.h"

#include <map>
#include <set>

#include <gmock/gmock.h>

#include "scheduler/selection/evaluator.h"
#include "scheduler/selection/parent_finder.h"
#include "scheduler/selection/registration.h"
#include "scheduler/selection/retry_loop.h"
#include "scheduler/swarm/test_swarm.h"

namespace dragonfly::scheduler {
namespace {

/// Edges that add nothing to the counters, which the cases give as they shall be.
TaskSpec WeightlessTask() {
  TaskSpec spec = TestSwarm::SomeTask();
  spec.piece_length = 0;
  spec.content_length = 0;
  return spec;
}

Peer& AddPeer(TestSwarm& swarm, const Json& json) {
  const std::string host_id = json.at("host_id");
  HostInfo host = TestSwarm::SomeHost(
      host_id, json.value("host_type", "normal") == "super" ? HostType::kSuper : HostType::kNormal);
  host.idc = json.value("idc", "");
  host.location = json.value("location", "");
  host.max_tx_bandwidth = json.value("max_tx_bandwidth", std::uint64_t{0});
  host.disable_shared = json.value("disable_shared", false);
  const bool fresh = swarm.hosts.Find(HostId(host_id)) == nullptr;
  Peer& peer = swarm.AddPeer(json.at("id").get<std::string>(), host, 0);
  if (fresh) {
    UploadShare load;
    load.tx_bandwidth = json.value("tx_bandwidth", std::uint64_t{0});
    load.piece_count = json.value("concurrent_upload_piece_count", std::uint32_t{0});
    load.content_length = json.value("upload_content_length", std::uint64_t{0});
    peer.host().AddUpload(load);
  }
  for (const auto& cost : json.value("piece_costs", Json::array())) {
    peer.piece_costs.Append(Duration(cost.get<std::int64_t>()));
  }
  BringTo(peer, StateNamed(json.at("state").get<std::string>()), swarm.now);
  return peer;
}

TEST(SchedulingVectorsTest, Scores) {
  for (const Json& entry : CasesOf("score")) {
    SCOPED_TRACE(Title(entry));
    TestSwarm swarm({}, WeightlessTask());
    Peer& child = AddPeer(swarm, entry["inputs"]["child"]);
    Peer& parent = AddPeer(swarm, entry["inputs"]["parent"]);
    const ScoreParts parts = DefaultScore(parent, child);
    const std::map<std::string, double> ours = {
        {"peak_bandwidth_usage", parts.peak_bandwidth_usage},
        {"bandwidth_duration", parts.bandwidth_duration},
        {"concurrency", parts.concurrency},
        {"load_quality", parts.load_quality},
        {"idc_affinity", parts.idc_affinity},
        {"location_affinity", parts.location_affinity},
        {"host_type", parts.host_type},
        {"total", parts.total}};
    for (const auto& [name, value] : entry["expect"].items()) {
      EXPECT_NEAR(ours.at(name), value.get<double>(), 1e-9) << name;
    }
  }
}

TEST(SchedulingVectorsTest, CandidateParents) {
  const std::map<std::string, Drop> rules = {
      {"blocklist", Drop::kBlocked},    {"disable_shared", Drop::kNotShared},
      {"same_host", Drop::kSameHost},   {"normal_host_in_degree_0", Drop::kWithoutSource},
      {"bad_parent", Drop::kBadParent}, {"cycle_or_existing_edge", Drop::kCycle}};
  const auto evaluator = *MakeEvaluator("default");
  for (const Json& entry : CasesOf("candidate_parents")) {
    SCOPED_TRACE(Title(entry));
    const Json& inputs = entry["inputs"];
    const Json& expect = entry["expect"];
    TestSwarm swarm({}, WeightlessTask());
    Peer& child = AddPeer(swarm, inputs["child"]);
    for (const Json& peer : inputs["sampled_peers"]) {
      if (peer["id"] != inputs["child"]["id"]) AddPeer(swarm, peer);
    }
    for (const Json& edge : inputs["edges_parent_to_child"]) {
      for (const Json& end : edge) {
        const auto id = end.get<std::string>();
        if (swarm.task.Find(id) == nullptr) swarm.AddPeer(id + ":Running");
      }
      EXPECT_TRUE(
          swarm.task.AddEdge(swarm[edge[0].get<std::string>()], swarm[edge[1].get<std::string>()])
              .ok());
    }
    for (const Json& id : inputs["blocklist"]) child.Block(PeerId(id.get<std::string>()));

    ParentFinder finder(*evaluator);
    if (expect.contains("filtered_out")) {
      swarm.task.MarkUnfit(child);
      for (const auto& [id, rule] : expect["filtered_out"].items()) {
        const auto why = finder.WhyNot(child, swarm[id]);
        ASSERT_TRUE(why.has_value()) << id;
        EXPECT_EQ(*why, rules.at(rule.get<std::string>())) << id << " " << Name(*why);
      }
    }
    if (expect.contains("scores")) {
      for (const auto& [id, score] : expect["scores"].items()) {
        EXPECT_NEAR(evaluator->Score(swarm[id], child), score.get<double>(), 1e-9) << id;
      }
    }
    ParentFinder::Limits limits;
    limits.candidate_parent_limit = inputs["candidate_parent_limit"];
    Random random(3);
    std::vector<std::string> found;
    for (const auto& candidate : finder.Find(child, limits, random)) {
      found.push_back(candidate.peer->id().str());
    }
    EXPECT_EQ(found, expect["candidate_parents"].get<std::vector<std::string>>());
    EXPECT_EQ(!found.empty(), expect["found"].get<bool>());
  }
}

std::vector<std::int64_t> PieceCosts(const Json& costs) {
  if (costs.is_array()) return costs.get<std::vector<std::int64_t>>();
  std::vector<std::int64_t> all;
  const auto text = costs.get<std::string>();
  const auto three = [&](int count, std::int64_t last) {
    for (int i = 0; i < count; ++i) all.push_back(100 + i % 3);
    all.push_back(last);
  };
  if (text.starts_with("1998 samples")) {
    three(1998, 1900);
  } else if (text.starts_with("1999 samples")) {
    three(1999, 110);
  } else if (text == "2000 x 10, 1999 x 1000, then 1500") {
    all.assign(2000, 10);
    all.insert(all.end(), 1999, 1000);
    all.push_back(1500);
  } else {
    ADD_FAILURE() << text;
  }
  return all;
}

TEST(SchedulingVectorsTest, BadParents) {
  const auto evaluator = *MakeEvaluator("default");
  for (const Json& entry : CasesOf("bad_parent")) {
    SCOPED_TRACE(Title(entry));
    TestSwarm swarm;
    Peer& peer = swarm.AddPeer("p", TestSwarm::SomeHost("h"));
    BringTo(peer, StateNamed(entry["inputs"]["state"].get<std::string>()), swarm.now);
    for (const std::int64_t cost : PieceCosts(entry["inputs"]["piece_costs_ns"])) {
      peer.piece_costs.Append(Duration(cost));
    }
    // The whole history, as in 2.4.0; 2.5.1 looks at the last 2000.
    EXPECT_EQ(evaluator->IsBadParent(peer), entry["expect"]["v2.4.0"].get<bool>());
  }
}

TEST(SchedulingVectorsTest, RetryLoop) {
  for (const Json& entry : CasesOf("schedule_loop")) {
    SCOPED_TRACE(Title(entry));
    const Json& inputs = entry["inputs"];
    const Json& expect = entry["expect"];
    RetryPolicy policy;
    policy.retry_back_to_source_limit = inputs["config"]["retry_back_to_source_limit"];
    policy.retry_limit = inputs["config"]["retry_limit"];
    policy.retry_interval = std::chrono::milliseconds(inputs["config"]["retry_interval_ms"]);
    TaskSpec spec = TestSwarm::SomeTask();
    const std::string type = inputs["task"].value("type", "STANDARD");
    if (type == "PERSISTENT") spec.kind = TaskKind::kPersistent;
    if (type == "PERSISTENT_CACHE") spec.kind = TaskKind::kPersistentCache;
    Swarm::Options options;
    options.back_to_source_count = inputs["config"]["back_to_source_count"];
    Swarm swarm(options);
    HostTable hosts;
    const SteadyTime now{};
    Task& task = swarm.FindOrCreate(TaskId("t"), spec, now);
    const auto host = hosts.Announce(TestSwarm::SomeHost("h"), now);
    for (int i = 0; i < inputs["task"]["back_to_source_peers"].get<int>(); ++i) {
      PeerSpec peer;
      peer.id = PeerId(StrCat("s", i));
      BringTo(swarm.AddPeer(task, host, peer, now), PeerState::kBackToSource, now);
    }
    const auto found =
        inputs["parents_found_per_attempt"].get<std::vector<std::vector<std::string>>>();
    Random random(5);
    RetryState state;
    state.need_back_to_source = inputs["peer"]["need_back_to_source"];
    state.can_back_to_source = task.CanBackToSource();
    std::size_t attempts = 0;
    double slept_ms = 0;
    std::vector<std::string> parents;
    RetryStep step = RetryStep::kFind;
    while ((step = NextStep(policy, state)) == RetryStep::kFind) {
      parents = found[std::min(attempts, found.size() - 1)];
      ++attempts;
      if (!parents.empty()) break;
      slept_ms += std::chrono::duration<double, std::milli>(RoundOf(policy, random)).count();
      ++state.failed_rounds;
    }
    const std::string outcome = step == RetryStep::kFind     ? "normal_task_response"
                                : step == RetryStep::kGiveUp ? "error"
                                                             : "need_back_to_source";
    EXPECT_EQ(outcome, expect["outcome"].get<std::string>());
    EXPECT_EQ(attempts, expect["find_attempts"].get<std::size_t>());
    EXPECT_GE(slept_ms, expect["total_sleep_ms_min_max"][0].get<double>() - 1e-3);
    EXPECT_LE(slept_ms, expect["total_sleep_ms_min_max"][1].get<double>() + 1e-3);
    if (expect.contains("parents")) {
      EXPECT_EQ(parents, expect["parents"].get<std::vector<std::string>>());
    }
    if (step == RetryStep::kSourceByFlag || step == RetryStep::kSourceAfterLimit) {
      EXPECT_EQ(step == RetryStep::kSourceByFlag ? "peer's NeedBackToSource is true"
                                                 : "scheduling exceeded RetryBackToSourceLimit",
                expect["description"].get<std::string>());
    }
  }
}

TEST(SchedulingVectorsTest, RegistrationDecisions) {
  for (const Json& entry : CasesOf("register")) {
    SCOPED_TRACE(Title(entry));
    const Json& inputs = entry["inputs"];
    RegistrationFacts facts;
    facts.task_state = TaskStateNamed(inputs["task_state"]);
    facts.available_peer = inputs["has_available_peer"];
    facts.need_back_to_source = inputs["download.need_back_to_source"];
    facts.host_type = inputs["host_type"] == "super" ? HostType::kSuper : HostType::kNormal;
    facts.seeds_available = inputs["seedPeer.enable"];
    facts.seed_peer_failed = inputs["seed_peer_failed_within_30m"];
    facts.priority = std::stoi(inputs["effective_priority"].get<std::string>().substr(5));
    const RegistrationDecision decision = DecideRegistration(facts);
    const Json& expect = entry["expect"];
    EXPECT_EQ(decision.trigger_seed, expect["trigger_seed_peer"].get<bool>());
    EXPECT_EQ(decision.need_back_to_source, expect["peer_need_back_to_source"].get<bool>());
    if (expect["error"].is_null()) {
      EXPECT_TRUE(decision.status.ok()) << decision.status;
    } else {
      const auto code =
          decision.status.code() == absl::StatusCode::kNotFound ? "NotFound" : "FailedPrecondition";
      EXPECT_FALSE(decision.status.ok());
      EXPECT_EQ(code, expect["error"].get<std::string>());
    }
  }
}

}  // namespace
}  // namespace dragonfly::scheduler
