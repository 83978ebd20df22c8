#include "dfdaemon/cluster/conversions.h"

#include <gtest/gtest.h>

#include <variant>

namespace dragonfly::dfdaemon {
namespace {

TEST(DownloadConversionTest, RefusesUnknownTypesAndPriorities) {
  pb::common::Download message;
  message.set_type(pb::common::CACHE);
  EXPECT_EQ(FromProto(message).status().code(), absl::StatusCode::kInvalidArgument);
  message.set_type(static_cast<pb::common::TaskType>(99));
  EXPECT_EQ(FromProto(message).status().code(), absl::StatusCode::kInvalidArgument);
  message.set_type(pb::common::STANDARD);
  message.set_priority(static_cast<pb::common::Priority>(7));
  EXPECT_EQ(FromProto(message).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DownloadConversionTest, DropsTheHostHeader) {
  pb::common::Download message;
  (*message.mutable_request_header())["HOST"] = "127.0.0.1:4001";
  (*message.mutable_request_header())["X-B"] = "2";
  (*message.mutable_request_header())["X-A"] = "1";
  const auto request = FromProto(message);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->request_headers, (HeaderList{{"X-A", "1"}, {"X-B", "2"}}));
}

TEST(DownloadConversionTest, TakesAnEmptyDigestAsNone) {
  pb::common::Download message;
  message.set_digest("");
  EXPECT_FALSE(FromProto(message)->digest.has_value());
}

TEST(DownloadConversionTest, KeepsAbsentAndEmptyTagsApart) {
  pb::common::Download message;
  message.set_tag("");
  const auto request = FromProto(message);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->tag, "");
  EXPECT_FALSE(request->application.has_value());
}

TEST(DownloadConversionTest, ComesBackAsItWas) {
  pb::common::Download message;
  message.set_url("https://example.com/a?b=c");
  message.set_digest("sha256:00");
  message.mutable_range()->set_start(5);
  message.mutable_range()->set_length(10);
  message.set_type(pb::common::STANDARD);
  message.set_tag("t");
  message.set_application("a");
  message.set_priority(pb::common::LEVEL5);
  message.add_filtered_query_params("b");
  (*message.mutable_request_header())["X-A"] = "1";
  message.set_piece_length(4 << 20);
  message.set_output_path("/tmp/o");
  message.mutable_timeout()->set_seconds(90);
  message.set_disable_back_to_source(true);
  message.set_need_back_to_source(true);
  message.add_certificate_chain("der");
  message.set_prefetch(true);
  message.set_is_prefetch(true);
  message.set_need_piece_content(true);
  message.mutable_object_storage()->set_region("r");
  message.mutable_object_storage()->set_session_token("s");
  message.set_force_hard_link(true);
  message.set_content_for_calculating_task_id("x");
  message.set_remote_ip("10.0.0.1");
  message.set_overwrite(true);
  message.set_enable_task_id_based_blob_digest(true);
  message.set_metadata_only(true);
  const auto request = FromProto(message);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->timeout, std::chrono::seconds(90));
  EXPECT_EQ(request->range, (ByteRange{5, 10}));
  pb::common::Download back;
  ToProto(*request, back);
  EXPECT_EQ(back.SerializeAsString().size(), message.SerializeAsString().size());
  EXPECT_EQ(back.DebugString(), message.DebugString());
}

TEST(DurationConversionTest, ClampsNonsense) {
  google::protobuf::Duration duration;
  duration.set_seconds(-5);
  EXPECT_EQ(FromProto(duration).count(), 0);
  duration.set_seconds(INT64_MAX);
  duration.set_nanos(-1);
  EXPECT_EQ(FromProto(duration), std::chrono::seconds(3'153'600'000));
}

TEST(PieceConversionTest, SetsTheFieldsThatGoSchedulersDemand) {
  PieceRecord piece;
  piece.number = 3;
  piece.offset = 12;
  piece.length = 4;
  piece.crc32 = 4'000'000'000U;
  pb::common::Piece message;
  ToProto(piece, message);
  EXPECT_TRUE(message.has_cost());
  EXPECT_TRUE(message.has_created_at());
  EXPECT_FALSE(message.has_parent_id());
  EXPECT_FALSE(message.has_content());
  EXPECT_EQ(message.digest(), "crc32:4000000000");
}

TEST(ParentConversionTest, TakesBracketsOffAndRefusesBadPorts) {
  pb::common::Peer message;
  message.set_id("p");
  message.mutable_host()->set_id("h");
  message.mutable_host()->set_ip("[2001:db8::1]");
  message.mutable_host()->set_port(70000);
  const CandidateParent parent = FromProto(message);
  EXPECT_EQ(parent.ip, "2001:db8::1");
  EXPECT_EQ(parent.port, 0);
  EXPECT_FALSE(parent.network.has_value());
}

TEST(ReportConversionTest, LeavesEmptyDescriptionsOut) {
  pb::scheduler::AnnouncePeerRequest message;
  ToProto(PeerReport(PeerFailed{}), TaskId("t"), message);
  EXPECT_TRUE(message.has_download_peer_failed_request());
  EXPECT_FALSE(message.download_peer_failed_request().has_description());
}

TEST(ReportConversionTest, MarksFailedPiecesAsTemporary) {
  pb::scheduler::AnnouncePeerRequest message;
  ToProto(PeerReport(PieceFromParentFailed{7, PeerId("p")}), TaskId("t"), message);
  EXPECT_EQ(message.download_piece_failed_request().piece_number(), 7U);
  EXPECT_EQ(message.download_piece_failed_request().parent_id(), "p");
  EXPECT_TRUE(message.download_piece_failed_request().temporary());
}

TEST(ReportConversionTest, NamesUsedParentsAsGoSchedulersWantThem) {
  CandidateParent parent;
  parent.peer_id = PeerId("p");
  parent.host_id = HostId("h");
  parent.ip = "10.0.0.1";
  parent.port = 4000;
  pb::scheduler::AnnouncePeerRequest message;
  ToProto(PeerReport(PeerReschedule{{parent}, "why"}), TaskId("t"), message);
  ASSERT_EQ(message.reschedule_peer_request().candidate_parents_size(), 1);
  const auto& peer = message.reschedule_peer_request().candidate_parents(0);
  EXPECT_EQ(peer.id(), "p");
  EXPECT_FALSE(peer.state().empty());
  EXPECT_TRUE(peer.has_task() && peer.has_host() && peer.has_cost() && peer.has_created_at() &&
              peer.has_updated_at());
  EXPECT_FALSE(peer.host().hostname().empty());
  EXPECT_EQ(peer.host().download_port(), 4000);
}

TEST(DecisionConversionTest, RefusesAnAnswerWithoutDecision) {
  EXPECT_EQ(FromProto(pb::scheduler::AnnouncePeerResponse()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(DecisionConversionTest, ReadsEveryDecision) {
  pb::scheduler::AnnouncePeerResponse message;
  message.mutable_empty_task_response();
  EXPECT_TRUE(std::holds_alternative<EmptyTask>(*FromProto(message)));
  message.mutable_metadata_only_response();
  EXPECT_TRUE(std::holds_alternative<MetadataOnly>(*FromProto(message)));
  message.mutable_need_back_to_source_response()->set_description("d");
  EXPECT_EQ(std::get<DownloadFromSource>(*FromProto(message)).description, "d");
  auto& peer = *message.mutable_normal_task_response()->add_candidate_parents();
  peer.set_id("p");
  peer.mutable_host()->set_id("h");
  peer.mutable_host()->set_type(1);
  peer.mutable_host()->set_ip("10.0.0.1");
  peer.mutable_host()->set_port(4000);
  peer.mutable_host()->mutable_network()->set_max_tx_bandwidth(5);
  const auto decision = FromProto(message);
  const auto& candidates = std::get<DownloadFromParents>(*decision).candidates;
  ASSERT_EQ(candidates.size(), 1U);
  EXPECT_EQ(candidates[0].port, 4000);
  EXPECT_TRUE(candidates[0].is_seed);
  EXPECT_EQ(candidates[0].network->max_tx_bandwidth, 5U);
}

TEST(HostConversionTest, CarriesFactsAndCgroup) {
  HostFacts facts;
  facts.memory_used_percent = 12.5;
  facts.inodes_total = 10;
  facts.inodes_free = 4;
  facts.cgroup = CgroupFacts{.cpu_period_us = 5, .memory_limit = 9};
  pb::common::Host host;
  ToProto(facts, host);
  EXPECT_DOUBLE_EQ(host.memory().used_percent(), 12.5);
  EXPECT_EQ(host.disk().inodes_used(), 6U);
  EXPECT_DOUBLE_EQ(host.disk().inodes_used_percent(), 60.0);
  EXPECT_EQ(host.cpu().cgroup().period(), 5U);
  EXPECT_EQ(host.memory().cgroup().limit(), 9);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
