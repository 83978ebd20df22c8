#include "scheduler/store/record_codec.h"

#include <chrono>

#include <gtest/gtest.h>

#include "common/testing/matchers.h"

namespace dragonfly::scheduler {
namespace {

using std::chrono::milliseconds;

WallTime At(std::int64_t millis) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(milliseconds(millis)));
}

TEST(RecordCodecTest, PiecesAreRanges) {
  PieceSet pieces;
  EXPECT_EQ(EncodePieces(pieces), "");
  for (const PieceNumber number : {0U, 1U, 2U, 63U, 64U, 65U, 500U}) pieces.Set(number);
  EXPECT_EQ(EncodePieces(pieces), "0-2,63-65,500");
  const auto decoded = DecodePieces("0-2,63-65,500");
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(EncodePieces(*decoded), "0-2,63-65,500");
  EXPECT_EQ(decoded->count(), 7U);
  for (const char* const bad : {"x", "3-", "5-3", "1,,2", "1 2", "0-4294967295"}) {
    const auto refused = DecodePieces(bad);
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kDataLoss)) << bad;
  }
}

TEST(RecordCodecTest, HostsComeBack) {
  HostInfo host;
  host.id = HostId("10.0.0.1-a\xff");
  host.type = HostType::kSuper;
  host.hostname = "a";
  host.ip = "10.0.0.1";
  host.port = 4000;
  host.download_port = 4001;
  host.trades = true;
  host.idc = "idc";
  host.location = "a|b";
  host.max_tx_bandwidth = 10'000'000'000;
  host.announce_interval = std::chrono::seconds(300);
  host.load = {12.5, 50, 25, 1000};
  host.announced = std::string("\0\x01\xff", 3);
  const auto decoded = DecodeHost(Encode(host));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->type, HostType::kSuper);
  EXPECT_EQ(decoded->port, 4000);
  EXPECT_EQ(decoded->download_port, 4001);
  EXPECT_TRUE(decoded->trades);
  EXPECT_FALSE(decoded->disable_shared);
  EXPECT_EQ(decoded->location, "a|b");
  EXPECT_EQ(decoded->max_tx_bandwidth, 10'000'000'000U);
  EXPECT_EQ(decoded->load.cpu_percent, 12.5);
  EXPECT_EQ(decoded->load.disk_bandwidth, 1000U);
  EXPECT_EQ(decoded->announce_interval, std::chrono::seconds(300));
  EXPECT_EQ(decoded->announced, host.announced);
}

TEST(RecordCodecTest, TasksComeBack) {
  TaskRecord task;
  task.id = TaskId("t");
  task.spec.url = "https://example.com/f?a=\"b\"";
  task.spec.filtered_query_params = {"a", "b"};
  task.spec.piece_length = 4 * kMiB;
  task.spec.content_length = -1;
  task.state = TaskState::kSucceeded;
  task.created = At(1'700'000'000'123);
  task.updated = At(1'700'000'001'000);
  const auto decoded = DecodeTask(Encode(task));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->id, task.id);
  EXPECT_EQ(decoded->spec.url, task.spec.url);
  EXPECT_EQ(decoded->spec.filtered_query_params, task.spec.filtered_query_params);
  EXPECT_EQ(decoded->spec.content_length, -1);
  EXPECT_EQ(decoded->state, TaskState::kSucceeded);
  EXPECT_EQ(decoded->created, task.created);
  EXPECT_EQ(decoded->updated, task.updated);
}

TEST(RecordCodecTest, PeersComeBack) {
  PeerRecord peer;
  peer.task_id = TaskId("t");
  peer.host_id = HostId("h");
  peer.spec.id = PeerId("p");
  peer.spec.priority = Priority::kLevel3;
  peer.spec.range = ByteRange{5, 7};
  peer.spec.concurrent_piece_count = 4;
  peer.succeeded = true;
  peer.pieces.Set(9);
  peer.cost = std::chrono::seconds(3);
  peer.created = peer.updated = At(1'700'000'000'123);
  const auto decoded = DecodePeer(Encode(peer));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->spec.id, peer.spec.id);
  EXPECT_EQ(decoded->task_id, peer.task_id);
  EXPECT_EQ(decoded->host_id, peer.host_id);
  EXPECT_EQ(decoded->spec.priority, Priority::kLevel3);
  EXPECT_EQ(decoded->spec.range, peer.spec.range);
  EXPECT_EQ(decoded->spec.concurrent_piece_count, 4U);
  EXPECT_TRUE(decoded->succeeded);
  EXPECT_TRUE(decoded->pieces.Has(9));
  EXPECT_EQ(decoded->cost, peer.cost);
  EXPECT_EQ(decoded->created, peer.created);
}

TEST(RecordCodecTest, RefusesWhatIsNotOurs) {
  for (const char* const text : {"", "{", "[]", "{}", "{\"id\":1}", "null"}) {
    EXPECT_THAT(DecodeHost(text), StatusIs(absl::StatusCode::kDataLoss)) << text;
    EXPECT_THAT(DecodeTask(text), StatusIs(absl::StatusCode::kDataLoss)) << text;
    EXPECT_THAT(DecodePeer(text), StatusIs(absl::StatusCode::kDataLoss)) << text;
  }
}

}  // namespace
}  // namespace dragonfly::scheduler
