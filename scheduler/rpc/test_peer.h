#pragma once

// A client that speaks AnnouncePeer and AnnounceHost as a daemon does.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/runtime.h"
#include "common/base/strings.h"
#include "common/rpc/client.h"
#include "common/rpc/pb.h"
#include "common/testing/run_coro.h"
#include "scheduler.grpc.pb.h"

namespace dragonfly::scheduler {

using SchedulerStub = pb::scheduler::Scheduler::Stub;
using AnnounceRequest = pb::scheduler::AnnouncePeerRequest;
using AnnounceResponse = pb::scheduler::AnnouncePeerResponse;

inline pb::scheduler::AnnounceHostRequest HostMessage(const std::string& id, bool seed = false) {
  pb::scheduler::AnnounceHostRequest request;
  pb::common::Host& host = *request.mutable_host();
  host.set_id(id);
  host.set_type(seed ? 1 : 0);
  host.set_hostname("name-of-" + id);
  host.set_ip("127.0.0.1");
  host.set_port(4000);
  host.set_download_port(4000);
  host.set_os("linux");
  host.mutable_network()->set_max_tx_bandwidth(10'000'000'000);
  host.mutable_network()->set_idc("idc-a");
  request.mutable_interval()->set_seconds(300);
  return request;
}

/// One AnnouncePeer stream of peer `id` on host `h-<id>`.
class TestPeer {
 public:
  TestPeer(Runtime& client, SchedulerStub& stub, std::string id, std::string task = "task")
      : client_(client),
        id_(std::move(id)),
        task_(std::move(task)),
        stream_(rpc::OpenBidi(client.executor(), *stub.async(),
                              &SchedulerStub::async::AnnouncePeer)) {}

  void Say(AnnounceRequest request) {
    request.set_host_id("h-" + id_);
    request.set_task_id(task_);
    request.set_peer_id(id_);
    SayAsItIs(std::move(request));
  }
  void SayAsItIs(AnnounceRequest request) {
    RunCoro(client_, stream_.Write(std::move(request)));
  }
  void Register(std::uint64_t length = 100ULL << 20U, bool back_to_source = false) {
    AnnounceRequest request;
    pb::common::Download& download =
        *request.mutable_register_peer_request()->mutable_download();
    download.set_url("https://example.com/f");
    download.set_actual_piece_length(4U << 20U);
    download.set_actual_content_length(length);
    download.set_actual_piece_count((length + (4U << 20U) - 1) >> 22U);
    download.set_need_back_to_source(back_to_source);
    download.set_output_path("/tmp/out");
    (*download.mutable_request_header())["Authorization"] = "Bearer secret";
    Say(std::move(request));
  }
  void Started() {
    AnnounceRequest request;
    request.mutable_download_peer_started_request();
    Say(std::move(request));
  }
  void BackToSourceStarted() {
    AnnounceRequest request;
    request.mutable_download_peer_back_to_source_started_request();
    Say(std::move(request));
  }
  void Finished() {
    AnnounceRequest request;
    request.mutable_download_peer_finished_request();
    Say(std::move(request));
  }
  void BackToSourceFinished() {
    AnnounceRequest request;
    request.mutable_download_peer_back_to_source_finished_request();
    Say(std::move(request));
  }
  void Failed() {
    AnnounceRequest request;
    request.mutable_download_peer_failed_request();
    Say(std::move(request));
  }
  void BackToSourceFailed() {
    AnnounceRequest request;
    request.mutable_download_peer_back_to_source_failed_request();
    Say(std::move(request));
  }
  static pb::common::Piece Piece(std::uint32_t number) {
    pb::common::Piece piece;
    piece.set_number(number);
    piece.set_offset(number * (4ULL << 20U));
    piece.set_length(4U << 20U);
    piece.set_digest("crc32:123");
    piece.mutable_cost()->set_nanos(1000000);
    piece.mutable_created_at()->set_seconds(1);
    return piece;
  }
  void PieceFrom(const std::string& parent, std::uint32_t number) {
    AnnounceRequest request;
    pb::common::Piece& piece =
        *request.mutable_download_piece_finished_request()->mutable_piece();
    piece = Piece(number);
    piece.set_parent_id(parent);
    piece.set_traffic_type(pb::common::REMOTE_PEER);
    Say(std::move(request));
  }
  void PieceFromSource(std::uint32_t number) {
    AnnounceRequest request;
    *request.mutable_download_piece_back_to_source_finished_request()->mutable_piece() =
        Piece(number);
    Say(std::move(request));
  }
  void PieceFailed(const std::string& parent) {
    AnnounceRequest request;
    request.mutable_download_piece_failed_request()->set_parent_id(parent);
    request.mutable_download_piece_failed_request()->set_temporary(true);
    Say(std::move(request));
  }
  void Reschedule(const std::vector<std::string>& parents) {
    AnnounceRequest request;
    request.mutable_reschedule_peer_request();
    for (const std::string& parent : parents) {
      request.mutable_reschedule_peer_request()->add_candidate_parents()->set_id(parent);
    }
    Say(std::move(request));
  }
  void HalfClose() { RunCoro(client_, stream_.WritesDone()); }
  void Cancel() { stream_.Cancel(); }

  absl::StatusOr<std::optional<AnnounceResponse>> Read() {
    return RunCoro(client_, stream_.Read());
  }
  /// "empty", "metadata", "source: …", "parents: a,b" (in order), "end" or the status.
  std::string Hear() {
    const auto response = Read();
    if (!response.ok()) {
      return StrCat(absl::StatusCodeToString(response.status().code()), ": ",
                    response.status().message());
    }
    if (!response->has_value()) return "end";
    switch ((*response)->response_case()) {
      case AnnounceResponse::kEmptyTaskResponse: return "empty";
      case AnnounceResponse::kMetadataOnlyResponse: return "metadata";
      case AnnounceResponse::kNeedBackToSourceResponse:
        return "source: " + (*response)->need_back_to_source_response().description();
      case AnnounceResponse::kNormalTaskResponse: break;
      default: return "nothing";
    }
    std::string text = "parents: ";
    for (const auto& parent : (*response)->normal_task_response().candidate_parents()) {
      if (!text.ends_with(' ')) text += ',';
      text += parent.id();
    }
    return text;
  }

 private:
  Runtime& client_;
  const std::string id_;
  const std::string task_;
  rpc::ClientBidi<AnnounceRequest, AnnounceResponse> stream_;
};

}  // namespace dragonfly::scheduler
