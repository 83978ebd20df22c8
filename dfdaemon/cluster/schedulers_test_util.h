#pragma once

// The daemon's side of conversations with schedulers, and a scheduler that sends everybody to the
// source.

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/ids/ids.h"
#include "dfdaemon/cluster/announcer.h"
#include "dfdaemon/cluster/fake_cluster.h"
#include "dfdaemon/cluster/grpc_scheduler_client.h"

namespace dragonfly::dfdaemon {

inline HostIdentity Host() {
  HostIdentity host;
  host.id = MakeHostId("127.0.0.1", "node", true);
  host.type = 1;
  host.is_seed = true;
  host.hostname = "node";
  host.name = "node";
  host.ip = "127.0.0.1";
  host.idc = "east";
  host.upload_port = 4000;
  host.proxy_port = 4001;
  host.scheduler_cluster_id = 7;
  return host;
}

// The daemon's side, on `io`.
class SchedulersTest : public ClusterTest {
 protected:
  void TearDown() override {
    Run(client_.Stop());
    Run(announcer_.Stop());
    ClusterTest::TearDown();
  }

  static Awaitable<> Put(SchedulerDirectory& directory, std::vector<SchedulerEndpoint> endpoints) {
    directory.Replace(std::move(endpoints));
    co_return;
  }
  void Know(std::vector<SchedulerEndpoint> endpoints) {
    Run(Put(directory_, std::move(endpoints)));
  }

  static PeerIdentity Peer(const std::string& task = std::string(64, 'a')) {
    return {Host().id, TaskId(task), PeerId("peer-1")};
  }

  static AnnouncerOptions FastRetries() {
    AnnouncerOptions options;
    options.first_retry = std::chrono::milliseconds(1);
    return options;
  }
  static SchedulerClientOptions ClientOptions() {
    SchedulerClientOptions options;
    options.host_id = Host().id;
    return options;
  }

  SystemClock clock_;
  HostProbe probe_{HostProbe::Paths{}, clock_};
  NetworkMonitor network_{io_.executor(), NetworkMonitorOptions{.ip = "127.0.0.1"}};
  rpc::ChannelPool channels_{rpc::ChannelOptions{}};
  SchedulerDirectory directory_{io_.executor()};
  Announcer announcer_{io_.executor(), FastRetries(), Host(),    probe_,
                       network_,       channels_,     directory_};
  GrpcSchedulerClient client_{io_.executor(), ClientOptions(), channels_, directory_, announcer_};
};

// Sends every registration to the source and ends when the peer says how that went.
inline Awaitable<absl::Status> SendToSource(FakeScheduler& scheduler, AnnounceStream& stream) {
  while (true) {
    auto message = co_await stream.Read();
    if (!message) co_return absl::OkStatus();
    scheduler.messages.Add(*message);
    if (message->has_register_peer_request()) {
      pb::scheduler::AnnouncePeerResponse response;
      response.mutable_need_back_to_source_response()->set_description("nobody has it");
      (void)co_await stream.Write(std::move(response));
    }
    if (message->has_download_peer_back_to_source_finished_request()) co_return absl::OkStatus();
  }
}

// One whole download from the source, as the driver talks about it.
inline Awaitable<std::string> Converse(SchedulerClient& client, PeerIdentity peer) {
  DownloadRequest request;
  request.url = "http://origin/file";
  ActualSizes sizes;
  sizes.piece_length = 4 * kMiB;
  sizes.content_length = 5 * kMiB;
  sizes.piece_count = 2;
  auto conversation = co_await client.AnnouncePeer(std::move(peer), std::move(request), sizes);
  if (!conversation.ok()) co_return conversation.status().ToString();
  auto decision = co_await (*conversation)->Next();
  if (!decision.ok()) co_return decision.status().ToString();
  if (!decision->has_value()) co_return "ended";
  const auto* source = std::get_if<DownloadFromSource>(&**decision);
  if (source == nullptr) co_return "another decision";
  (*conversation)->Report(PeerBackToSourceStarted{source->description});
  PieceFromSource piece;
  piece.piece.number = 1;
  (*conversation)->Report(piece);
  (*conversation)->Report(PeerBackToSourceFinished{});
  auto end = co_await (*conversation)->Next();
  co_return end.ok() && !end->has_value() ? "done" : "no end";
}

}  // namespace dragonfly::dfdaemon
