// The cases of the vectors that are about the swarm's model.

#include <map>
#include <string>
#include <vector>

#include "scheduler/selection/vectors.h"
#include "scheduler/swarm/test_swarm.h"

namespace dragonfly::scheduler {
namespace {

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
    const Json expected = ExpectedBy(entry, "HEAD");
    for (const Json& step : expected["steps"]) {
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

TEST(SchedulingVectorsTest, HostCountersOfAParentThatGoes) {
  const Json entry = CasesOf("host_counters")[2];
  const Json& inputs = entry["inputs"];
  TestSwarm swarm("p:Succeeded");
  std::vector<Peer*> children;
  for (const auto& pieces : inputs["children_concurrent_piece_count"]) {
    const std::string id = StrCat("c", children.size());
    Peer& child = swarm.AddPeer(id, TestSwarm::SomeHost("h-" + id), pieces.get<std::uint32_t>());
    BringTo(child, PeerState::kRunning, swarm.now);
    ASSERT_TRUE(swarm.task.AddEdge(swarm["p"], child).ok());
    children.push_back(&child);
  }
  const std::shared_ptr<Host> host = swarm["p"].shared_host();
  ExpectLoad(*host, inputs["before"]);
  swarm.swarm.RemovePeer(swarm["p"]);
  ExpectLoad(*host, entry["expect"]["HEAD"]);
}

TEST(SchedulingVectorsTest, AnUnknownLengthCountsNothing) {
  const Json entry = CasesOf("host_counters")[3];
  TaskSpec spec = TestSwarm::SomeTask();
  spec.content_length = entry["inputs"]["content_length"];
  TestSwarm swarm("p:Succeeded a:Running<p", spec);
  EXPECT_EQ(swarm["p"].host().load().content_length,
            entry["expect"]["upload_content_length_delta"].get<std::uint64_t>());
}

TEST(SchedulingVectorsTest, Edges) {
  for (const Json& entry : CasesOf("dag_edge")) {
    TestSwarm swarm;
    for (const Json& id : entry["inputs"]["vertices"]) {
      swarm.AddPeer(id.get<std::string>() + ":Running");
    }
    for (const Json& edge : entry["inputs"]["edges"]) {
      ASSERT_TRUE(
          swarm.task.AddEdge(swarm[edge[0].get<std::string>()], swarm[edge[1].get<std::string>()])
              .ok());
    }
    for (const Json& result : entry["expect"]["results"]) {
      Peer* const from = swarm.task.Find(result["edge"][0].get<std::string>());
      Peer* const to = swarm.task.Find(result["edge"][1].get<std::string>());
      if (from == nullptr || to == nullptr) {
        EXPECT_FALSE(result["can_add"].get<bool>());  // Cannot even be asked here.
        continue;
      }
      swarm.task.MarkUnfit(*to);
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
          id, TestSwarm::SomeHost("h-" + id,
                                  json["seed"].get<bool>() ? HostType::kSuper : HostType::kNormal));
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
    Peer& child =
        swarm.AddPeer("child", TestSwarm::SomeHost(entry["inputs"]["host_id"].get<std::string>()));
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
