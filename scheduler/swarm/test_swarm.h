#pragma once

// A swarm in one readable line, for the tests of this folder and those above it.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "common/base/strings.h"
#include "scheduler/swarm/host_table.h"
#include "scheduler/swarm/swarm.h"

namespace dragonfly::scheduler {

inline PeerState StateNamed(std::string_view name) {
  for (std::size_t i = 0; i < kPeerStateCount; ++i) {
    if (Name(static_cast<PeerState>(i)) == name) return static_cast<PeerState>(i);
  }
  ADD_FAILURE() << "no such state: " << name;
  return PeerState::kPending;
}

/// Brings a peer that was just created into a state, by events that are allowed.
inline void BringTo(Peer& peer, PeerState state, SteadyTime now) {
  using enum PeerEvent;
  std::vector<PeerEvent> events;
  switch (state) {
    case PeerState::kPending: break;
    case PeerState::kReceivedEmpty: events = {kRegisterEmpty}; break;
    case PeerState::kReceivedTiny: events = {kRegisterTiny}; break;
    case PeerState::kReceivedSmall: events = {kRegisterSmall}; break;
    case PeerState::kReceivedNormal: events = {kRegisterNormal}; break;
    case PeerState::kRunning: events = {kRegisterNormal, kDownload}; break;
    case PeerState::kBackToSource: events = {kRegisterNormal, kDownloadBackToSource}; break;
    case PeerState::kSucceeded: events = {kRegisterNormal, kDownload, kDownloadSucceeded}; break;
    case PeerState::kFailed: events = {kDownloadFailed}; break;
    case PeerState::kLeave: events = {kLeave}; break;
  }
  for (const PeerEvent event : events) {
    const absl::Status status = peer.task().Apply(peer, event, now);
    EXPECT_TRUE(status.ok()) << status;
  }
}

/// One task on one shard. The line lists peers as `id[*]:State[<parent,parent]`, parents first; `*`
/// puts a peer on a super seed host. The host of peer `a` is `h-a` unless `id@host` says otherwise:
///
///   TestSwarm swarm("seed*:Running a:Running<seed b:ReceivedNormal");
class TestSwarm {
 public:
  explicit TestSwarm(std::string_view line = {}, TaskSpec spec = SomeTask())
      : swarm(Swarm::Options{}), task(swarm.FindOrCreate(TaskId("task"), std::move(spec), now)) {
    EXPECT_TRUE(task.Apply(TaskEvent::kDownload, now).ok());
    Add(line);
  }

  static TaskSpec SomeTask() {
    TaskSpec spec;
    spec.url = "https://example.com/f";
    spec.piece_length = 4 * kMiB;
    spec.content_length = 100 * static_cast<std::int64_t>(kMiB);
    spec.piece_count = 25;
    return spec;
  }
  static HostInfo SomeHost(std::string_view id, HostType type = HostType::kNormal) {
    HostInfo info;
    info.id = HostId(id);
    info.type = type;
    info.hostname = std::string(id);
    info.ip = "10.0.0.1";
    info.port = 4000;
    info.max_tx_bandwidth = 10'000'000'000;
    return info;
  }

  void Add(std::string_view line) {
    for (const absl::string_view word : absl::StrSplit(ToAbsl(line), ' ', absl::SkipEmpty())) {
      AddPeer(ToStd(word));
    }
  }

  Peer& AddPeer(std::string_view word) {
    const std::size_t colon = word.find(':');
    std::string id(word.substr(0, colon));
    std::string_view rest = word.substr(colon + 1);
    const std::size_t arrow = rest.find('<');
    const std::string_view state = rest.substr(0, arrow);
    const bool seed = id.ends_with('*');
    if (seed) id.pop_back();
    std::string host = "h-" + id;
    if (const std::size_t at = id.find('@'); at != std::string::npos) {
      host = id.substr(at + 1);
      id.resize(at);
    }
    Peer& peer =
        AddPeer(id, SomeHost(host, seed ? HostType::kSuper : HostType::kNormal));
    BringTo(peer, StateNamed(state), now);
    if (arrow != std::string_view::npos) {
      for (const absl::string_view parent : absl::StrSplit(ToAbsl(rest.substr(arrow + 1)), ',')) {
        EXPECT_TRUE(task.AddEdge((*this)[ToStd(parent)], peer).ok()) << word;
      }
    }
    return peer;
  }

  Peer& AddPeer(const std::string& id, HostInfo host, std::uint32_t pieces = 8) {
    std::shared_ptr<Host> shared = hosts.Find(host.id);
    if (shared == nullptr) shared = hosts.Announce(std::move(host), now);
    PeerSpec spec;
    spec.id = PeerId(id);
    spec.concurrent_piece_count = pieces;
    return swarm.AddPeer(task, std::move(shared), std::move(spec), now);
  }

  Peer& operator[](std::string_view id) {
    Peer* const peer = task.Find(id);
    if (peer == nullptr) {
      ADD_FAILURE() << "no such peer: " << id;
      std::abort();
    }
    return *peer;
  }

  SteadyTime now = SteadyTime(std::chrono::hours(100));
  HostTable hosts;
  Swarm swarm;
  Task& task;
};

}  // namespace dragonfly::scheduler
