// Streams to parents: offers of pieces, load.

#include <gmock/gmock.h>

#include "common/async/sleep.h"
#include "dfdaemon/cluster/fake_cluster.h"
#include "dfdaemon/cluster/grpc_parent_client.h"

namespace dragonfly::dfdaemon {
namespace {

using ::testing::ElementsAre;

class ParentsTest : public ClusterTest {
 protected:
  void TearDown() override {
    Run(client_.Stop());
    ClusterTest::TearDown();
  }
  [[nodiscard]] CandidateParent Parent() const {
    CandidateParent parent;
    parent.host_id = HostId("parent-host");
    parent.ip = "127.0.0.1";
    parent.port = port();
    return parent;
  }
  static PeerIdentity Self() {
    return {HostId("child-host"), TaskId(std::string(64, 'a')), PeerId("child")};
  }

  rpc::ChannelPool channels_{rpc::ChannelOptions{}};
  GrpcParentClient client_{io_.executor(), ParentClientOptions{}, channels_};
};

Awaitable<absl::Status> OfferTwo(const pb::dfdaemon::SyncPiecesRequest& request,
                                 FakeParent::Offers& writer) {
  EXPECT_EQ(request.host_id(), "child-host");
  for (const std::uint32_t number : request.interested_piece_numbers()) {
    pb::dfdaemon::SyncPiecesResponse offer;
    offer.set_number(number);
    offer.set_offset(number * 100);
    offer.set_length(100);
    offer.set_ip("10.0.0.9");
    offer.set_tcp_port(4005);
    (void)co_await writer.Write(std::move(offer));
  }
  co_return absl::OkStatus();
}

Awaitable<std::vector<PieceNumber>> ReadOffers(ParentClient& client, CandidateParent parent,
                                               PeerIdentity self) {
  std::vector<PieceNumber> numbers;
  auto offers = client.SyncPieces(parent, TaskKind::kStandard, self, {3, 5});
  while (true) {
    auto offer = co_await offers->Next();
    EXPECT_TRUE(offer.ok()) << offer.status();
    if (!offer.ok() || !offer->has_value()) co_return numbers;
    EXPECT_EQ((*offer)->ip, "10.0.0.9");
    EXPECT_EQ((*offer)->tcp_port, 4005);
    EXPECT_EQ((*offer)->quic_port, 0);
    EXPECT_EQ((*offer)->offset, (*offer)->number * 100);
    numbers.push_back((*offer)->number);
  }
}

TEST_F(ParentsTest, HearsOfPiecesUntilTheParentEnds) {
  parent_.sync_pieces = OfferTwo;
  EXPECT_THAT(Run(ReadOffers(client_, Parent(), Self())), ElementsAre(3U, 5U));
}

Awaitable<absl::Status> FirstOffer(ParentClient& client, CandidateParent parent,
                                   PeerIdentity self) {
  auto offers = client.SyncPieces(parent, TaskKind::kStandard, self, {0});
  co_return (co_await offers->Next()).status();
}

TEST_F(ParentsTest, SaysThatAParentIsNotThere) {
  CandidateParent gone = Parent();
  gone.port = FreePort();
  EXPECT_EQ(Run(FirstOffer(client_, gone, Self())).code(), absl::StatusCode::kUnavailable);
}

struct Streams {
  std::atomic<int> opened = 0;
  std::atomic<int> open = 0;
};

struct OpenStream {
  explicit OpenStream(Streams& all) : streams(all) {
    ++streams.opened;
    ++streams.open;
  }
  ~OpenStream() { --streams.open; }
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;
  Streams& streams;
};

Awaitable<absl::Status> TellLoad(Streams& streams, FakeParent::Loads& writer) {
  const OpenStream stream(streams);
  pb::common::Host host;
  host.mutable_network()->set_tx_bandwidth(42);
  (void)co_await writer.Write(std::move(host));
  co_await SleepFor(std::chrono::hours(1));  // Ends with the watch.
  co_return absl::OkStatus();
}

using Watch = std::shared_ptr<ParentClient::LoadWatch>;

Awaitable<Watch> StartWatch(ParentClient& client, CandidateParent parent, PeerIdentity self) {
  co_return client.WatchLoad(parent, self);
}
Awaitable<std::uint64_t> Latest(Watch watch) {
  co_return watch->latest() ? watch->latest()->tx_bandwidth : 0;
}
Awaitable<> Release(Watch* watch) {
  watch->reset();
  co_return;
}

TEST_F(ParentsTest, SharesOneStreamOfLoadPerHost) {
  Streams streams;
  parent_.sync_host = [&streams](const pb::dfdaemon::SyncHostRequest&, FakeParent::Loads& writer) {
    return TellLoad(streams, writer);
  };
  Watch first = Run(StartWatch(client_, Parent(), Self()));
  Watch second = Run(StartWatch(client_, Parent(), Self()));
  EXPECT_TRUE(WaitFor([&] { return Run(Latest(second)) == 42; }));
  EXPECT_EQ(streams.opened, 1);
  Run(Release(&first));
  EXPECT_EQ(streams.open, 1);
  Run(Release(&second));
  EXPECT_TRUE(WaitFor([&] { return streams.open == 0; })) << "nobody watches any more";
}

TEST_F(ParentsTest, LetsGoOfChannelsToParentsOfLongAgo) {
  Streams streams;
  parent_.sync_host = [&streams](const pb::dfdaemon::SyncHostRequest&, FakeParent::Loads& writer) {
    return TellLoad(streams, writer);
  };
  rpc::ChannelPool channels(rpc::ChannelOptions{}, Duration::zero());
  GrpcParentClient client(io_.executor(), ParentClientOptions{}, channels);
  for (int i = 0; i < 2; ++i) {
    CandidateParent gone = Parent();
    gone.port = FreePort();
    (void)Run(FirstOffer(client, gone, Self()));
  }
  EXPECT_EQ(channels.size(), 2U);
  // Every new watch looks for them. A call that is over may hold its channel for a moment more.
  Watch watch;
  EXPECT_TRUE(WaitFor([&] {
    Run(Release(&watch));
    watch = Run(StartWatch(client, Parent(), Self()));
    return channels.size() <= 1;
  }));
  EXPECT_TRUE(WaitFor([&] { return Run(Latest(watch)) == 42; }));
  EXPECT_EQ(channels.size(), 1U);
  Run(Release(&watch));
  EXPECT_TRUE(WaitFor([&] { return streams.open == 0; }));
  Run(client.Stop());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
