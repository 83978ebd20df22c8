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
      {"blocklist", Drop::kBlocked},          {"disable_shared", Drop::kNotShared},
      {"same_host", Drop::kSameHost},         {"normal_host_in_degree_0", Drop::kWithoutSource},
      {"bad_parent", Drop::kBadParent},       {"cycle_or_existing_edge", Drop::kCycle}};
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
      EXPECT_TRUE(swarm.task.AddEdge(swarm[edge[0].get<std::string>()],
                                     swarm[edge[1].get<std::string>()])
                      .ok());
    }
    for (const Json& id : inputs["blocklist"]) child.Block(PeerId(id.get<std::string>()));

    ParentFinder finder(*evaluator);
    if (expect.contains("filtered_out")) {
      swarm.task.MarkDescendants(child);
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

TaskState TaskStateNamed(const std::string& name) {
  using enum TaskState;
  for (const TaskState state : {kPending, kRunning, kSucceeded, kFailed, kLeave}) {
    if (Name(state) == name) return state;
  }
  ADD_FAILURE() << name;
  return kPending;
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
      const auto code = decision.status.code() == absl::StatusCode::kNotFound
                            ? "NotFound"
                            : "FailedPrecondition";
      EXPECT_FALSE(decision.status.ok());
      EXPECT_EQ(code, expect["error"].get<std::string>());
    }
  }
}

TEST(SchedulingVectorsTest, SizeScopes) {
  const std::map<std::string, SizeScope> scopes = {{"UNKNOW", SizeScope::kUnknown},
                                                   {"EMPTY", SizeScope::kEmpty},
                                                   {"TINY", SizeScope::kTiny},
                                                   {"SMALL", SizeScope::kSmall},
                                                   {"NORMAL", SizeScope::kNormal}};
  for (const Json& entry : CasesOf("size_scope")) {
    EXPECT_EQ(SizeScopeOf(entry["inputs"]["content_length"], entry["inputs"]["total_piece_count"]),
              scopes.at(entry["expect"]["size_scope"]))
        << Title(entry);
  }
}

void ExpectLoad(const Host& host, const Json& expect) {
  const UploadLoad load = host.load();
  const std::map<std::string, std::int64_t> ours = {
      {"upload_count", load.upload_count},
      {"concurrent_upload_count", load.concurrent_upload_count},
      {"tx_bandwidth", load.tx_bandwidth},
      {"concurrent_upload_piece_count", load.concurrent_piece_count},
      {"upload_content_length", load.content_length}};
  for (const auto& [name, value] : expect.items()) {
    EXPECT_EQ(ours.at(name), value.get<std::int64_t>()) << name;
  }
}

TEST(SchedulingVectorsTest, HostCountersInSequences) {
  for (const Json& entry : CasesOf("host_counters_seq")) {
    SCOPED_TRACE(Title(entry));
    const Json& inputs = entry["inputs"];
    TaskSpec spec = TestSwarm::SomeTask();
    spec.piece_length = inputs["piece_length"];
    spec.content_length = inputs["content_length"];
    TestSwarm swarm({}, spec);
    for (const auto& [id, peer] : inputs["peers"].items()) {
      const std::string host = peer.value("host", "h" + id);
      const std::uint32_t pieces = peer.contains("pieces") && !peer["pieces"].is_null()
                                       ? peer["pieces"].get<std::uint32_t>()
                                       : PeerSpec::kDefaultConcurrentPieceCount;
      BringTo(swarm.AddPeer(id, TestSwarm::SomeHost(host), pieces), PeerState::kRunning, swarm.now);
    }
    for (const Json& step : ExpectedBy(entry, "HEAD")["steps"]) {
      const auto words = step["step"].get<std::vector<std::string>>();
      absl::Status status;
      if (words[0] == "edge") {
        status = swarm.task.AddEdge(swarm[words[1]], swarm[words[2]]);
      } else if (words[0] == "in") {
        swarm.task.DetachFromParents(swarm[words[1]]);
      } else if (words[0] == "delete") {
        swarm.swarm.RemovePeer(swarm[words[1]]);
      } else {
        ASSERT_EQ(words[0], "len");
        TaskSpec later = spec;
        later.content_length = std::stoll(words[1]);
        swarm.task.Refresh(later);
      }
      EXPECT_EQ(status.ok(), step["error"].is_null()) << step;
      for (const auto& [host, expect] : step["hosts"].items()) {
        ExpectLoad(*swarm.hosts.Find(HostId(host)), expect);
      }
    }
  }
}

TEST(SchedulingVectorsTest, HostCountersOfOneEdge) {
  const Json first = CasesOf("host_counters").front();
  TestSwarm swarm("p:Succeeded a:Running<p");
  ExpectLoad(swarm["p"].host(), first["expect"]);
  swarm.task.DetachFromParents(swarm["a"]);
  ExpectLoad(swarm["p"].host(), CasesOf("host_counters")[1]["expect"]);
}

TEST(SchedulingVectorsTest, Edges) {
  for (const Json& entry : CasesOf("dag_edge")) {
    TestSwarm swarm;
    for (const Json& id : entry["inputs"]["vertices"]) {
      swarm.AddPeer(id.get<std::string>() + ":Running");
    }
    for (const Json& edge : entry["inputs"]["edges"]) {
      ASSERT_TRUE(swarm.task.AddEdge(swarm[edge[0].get<std::string>()],
                                     swarm[edge[1].get<std::string>()])
                      .ok());
    }
    for (const Json& result : entry["expect"]["results"]) {
      Peer* const from = swarm.task.Find(result["edge"][0].get<std::string>());
      Peer* const to = swarm.task.Find(result["edge"][1].get<std::string>());
      if (from == nullptr || to == nullptr) {
        EXPECT_FALSE(result["can_add"].get<bool>());  // Cannot even be asked here.
        continue;
      }
      swarm.task.MarkDescendants(*to);
      const bool can_add = !swarm.task.IsMarked(*from) && !Task::HasEdge(*from, *to);
      EXPECT_EQ(can_add, result["can_add"].get<bool>()) << result;
    }
  }
}

TEST(SchedulingVectorsTest, BackToSourceQuota) {
  for (const Json& entry : CasesOf("can_back_to_source")) {
    const Json& inputs = entry["inputs"];
    TaskSpec spec = TestSwarm::SomeTask();
    if (inputs["type"] == "PERSISTENT") spec.kind = TaskKind::kPersistent;
    if (inputs["type"] == "PERSISTENT_CACHE") spec.kind = TaskKind::kPersistentCache;
    ASSERT_EQ(inputs["limit"], 200);
    TestSwarm swarm({}, spec);
    for (int i = 0; i < inputs["back_to_source_peers"].get<int>(); ++i) {
      swarm.AddPeer(StrCat("p", i, ":BackToSource"));
    }
    EXPECT_EQ(swarm.task.CanBackToSource(), entry["expect"]["can_back_to_source"].get<bool>())
        << Title(entry);
  }
}

TEST(SchedulingVectorsTest, SeedPeerFailures) {
  for (const Json& entry : CasesOf("seed_peer_failed")) {
    TestSwarm swarm;
    const SteadyTime now = swarm.now;
    for (const Json& json : entry["inputs"]["peers"]) {
      const auto ago = [&](const char* name) {
        return now - std::chrono::minutes(json[name].get<int>());
      };
      swarm.now = ago("created_minutes_ago");
      const std::string id = json["id"];
      Peer& peer = swarm.AddPeer(
          id, TestSwarm::SomeHost(
                  "h-" + id, json["seed"].get<bool>() ? HostType::kSuper : HostType::kNormal));
      BringTo(peer, StateNamed(json["state"].get<std::string>()), swarm.now);
      peer.updated = ago("updated_minutes_ago");
    }
    EXPECT_EQ(swarm.task.SeedPeerFailed(now), entry["expect"]["seed_peer_failed"].get<bool>())
        << Title(entry);
  }
}

TEST(SchedulingVectorsTest, AvailablePeers) {
  for (const Json& entry : CasesOf("has_available_peer")) {
    TestSwarm swarm;
    Peer& child = swarm.AddPeer(
        "child", TestSwarm::SomeHost(entry["inputs"]["host_id"].get<std::string>()));
    for (const Json& id : entry["inputs"]["blocklist"]) child.Block(PeerId(id.get<std::string>()));
    for (const Json& json : entry["inputs"]["peers"]) {
      Peer& peer = swarm.AddPeer(json["id"].get<std::string>(),
                                 TestSwarm::SomeHost(json["host_id"].get<std::string>()));
      BringTo(peer, StateNamed(json["state"].get<std::string>()), swarm.now);
    }
    EXPECT_EQ(swarm.task.HasAvailablePeer(child), entry["expect"]["has_available_peer"].get<bool>())
        << Title(entry);
  }
}

TEST(SchedulingVectorsTest, StateMachines) {
  using enum PeerEvent;
  for (const Json& entry : CasesOf("fsm")) {
    const std::string object = entry["inputs"]["object"];
    const Json& allowed = entry["expect"]["allowed"];
    if (object == "standard_peer") {
      for (const PeerEvent event :
           {kRegisterEmpty, kRegisterTiny, kRegisterSmall, kRegisterNormal, kDownload,
            kDownloadBackToSource, kDownloadSucceeded, kDownloadFailed, kLeave}) {
        for (std::size_t i = 0; i < kPeerStateCount; ++i) {
          const auto from = static_cast<PeerState>(i);
          const auto to = After(from, event);
          const Json& row = allowed.at(std::string(Name(from)));
          const std::string name(Name(event));
          ASSERT_EQ(to.has_value(), row.contains(name)) << Name(from) << " " << name;
          if (to.has_value()) {
            EXPECT_EQ(Name(*to), row[name]["to"].get<std::string>());
          }
        }
      }
    } else if (object == "standard_task") {
      for (const auto& [from, row] : allowed.items()) {
        for (const TaskEvent event : {TaskEvent::kDownload, TaskEvent::kDownloadSucceeded,
                                      TaskEvent::kDownloadFailed, TaskEvent::kLeave}) {
          const auto to = After(TaskStateNamed(from), event);
          const std::string name(Name(event));
          ASSERT_EQ(to.has_value(), row.contains(name)) << from << " " << name;
          if (to.has_value()) {
            EXPECT_EQ(Name(*to), row[name].get<std::string>());
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace dragonfly::scheduler
