#include "dfdaemon/rpc/download_task.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "common/ids/piece_math.h"
#include "common/rpc/status.h"
#include "dfdaemon/cluster/conversions.h"
#include "dfdaemon/rpc/download_errors.h"

namespace dragonfly::dfdaemon {
namespace {

absl::Status ToStatus(const RpcFailure& failure) {
  absl::Status status(failure.code, failure.message);
  return failure.details.empty() ? status : rpc::WithDetails(std::move(status), failure.details);
}

pb::dfdaemon::DownloadTaskResponse Answer(const PeerIdentity& peer) {
  pb::dfdaemon::DownloadTaskResponse response;
  response.set_host_id(peer.host_id.str());
  response.set_task_id(peer.task_id.str());
  response.set_peer_id(peer.peer_id.str());
  return response;
}

pb::dfdaemon::DownloadTaskResponse StartedAnswer(const DownloadStarted& started) {
  auto response = Answer(started.peer);
  auto& message = *response.mutable_download_task_started_response();
  message.set_content_length(started.content_length);
  if (started.range) {
    message.mutable_range()->set_start(started.range->start);
    message.mutable_range()->set_length(started.range->length);
  }
  for (const auto& [name, value] : started.response_headers) {
    (*message.mutable_response_header())[name] = value;
  }
  for (const auto& span : started.pieces) {
    auto& piece = *message.add_pieces();
    piece.set_number(span.number);
    piece.set_offset(span.offset);
    piece.set_length(span.length);
  }
  message.set_is_finished(started.is_finished);
  return response;
}

}  // namespace

absl::StatusOr<std::string> ReadFileRegion(int fd, std::uint64_t offset, std::uint64_t length) {
  std::string bytes(length, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::InternalError(StrCat("read content: ", std::strerror(errno)));
    if (got == 0) return absl::DataLossError("read content: the file is too short");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

absl::StatusOr<DownloadRequest> ReadDownloadRequest(
    const pb::dfdaemon::DownloadTaskRequest& message, bool allow_output_path) {
  if (!message.has_download()) return absl::InvalidArgumentError("missing download");
  auto request = FromProto(message.download());
  if (!request.ok()) return request.status();
  if (request->kind != TaskKind::kStandard) {
    return absl::InvalidArgumentError("DownloadTask is for standard tasks");
  }
  if (request->url.empty()) return absl::InvalidArgumentError("missing url");
  if (request->piece_length &&
      (*request->piece_length < kMinPieceLength || *request->piece_length > kMaxPieceLength)) {
    return absl::InvalidArgumentError(StrCat("piece length ", *request->piece_length,
                                             " is not between ", kMinPieceLength, " and ",
                                             kMaxPieceLength, " bytes"));
  }
  if (request->digest) {
    if (auto digest = ParseDigest(*request->digest); !digest.ok()) {
      return absl::InvalidArgumentError(
          StrCat("invalid digest(", *request->digest, "): ", digest.status().message()));
    }
  }
  // Present and empty is absent: Go callers set optional texts without a value.
  if (request->output_path && request->output_path->empty()) request->output_path.reset();
  if (request->output_path) {
    if (request->output_path->front() != '/') {
      return absl::InvalidArgumentError("output path is not absolute");
    }
    if (!allow_output_path) {
      return absl::PermissionDeniedError(
          "output_path is accepted on the unix socket, and over TCP only from clients with a "
          "verified certificate");
    }
  }
  return request;
}

Awaitable<absl::Status> ServeDownloadTask(const ServiceDeps& deps,
                                          const pb::dfdaemon::DownloadTaskRequest& request,
                                          rpc::Writer<pb::dfdaemon::DownloadTaskResponse>& writer) {
  auto download_request = ReadDownloadRequest(request, deps.allow_output_path);
  if (!download_request.ok()) co_return download_request.status();
  if (const auto id = deps.tasks.IdOf(*download_request); !id.ok()) {
    co_return absl::InvalidArgumentError(id.status().message());
  }
  const bool need_content = download_request->need_piece_content;
  auto download = co_await deps.tasks.Start(*std::move(download_request));
  if (!download.ok()) co_return ToStatus(DownloadFailure(download.status()));

  const PeerIdentity peer = (*download)->started().peer;
  auto first = StartedAnswer((*download)->started());
  // A client that is gone also cancels this coroutine; the status then says nothing to anybody.
  if (!co_await writer.Write(std::move(first))) co_return absl::CancelledError("client is gone");
  while (true) {
    auto next = co_await (*download)->Next();
    if (!next.ok()) co_return ToStatus(DownloadFailure(next.status()));
    if (!next->has_value()) co_return absl::OkStatus();
    const PieceRecord& record = **next;
    auto response = Answer(peer);
    auto& piece = *response.mutable_download_piece_finished_response()->mutable_piece();
    ToProto(record, piece);
    ContentBudget::Share share;  // Until gRPC took the message.
    if (need_content) {
      auto taken = co_await deps.content.Take(record.length);
      if (!taken.ok()) co_return taken.status();
      share = *std::move(taken);
      auto read = [stored = (*download)->stored(), offset = record.offset,
                   length = record.length]() -> absl::StatusOr<std::string> {
        return ReadFileRegion(stored->content_fd(), offset, length);
      };
      auto content = co_await deps.disk.Run(std::move(read));
      if (!content.ok()) co_return ToStatus(DownloadFailure(content.status()));
      piece.set_content(*std::move(content));
    }
    if (!co_await writer.Write(std::move(response)))
      co_return absl::CancelledError("client is gone");
  }
}

}  // namespace dragonfly::dfdaemon
