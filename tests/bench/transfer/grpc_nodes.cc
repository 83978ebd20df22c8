#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "common/base/strings.h"
#include "common/rpc/pb.h"
#include "dfdaemon.grpc.pb.h"
#include "tests/bench/transfer/node.h"

namespace dragonfly::dfdaemon {
namespace {

class Service final : public pb::dfdaemon::DfdaemonUpload::Service {
 public:
  explicit Service(std::shared_ptr<StoredTask> task) : task_(std::move(task)) {}

  grpc::Status DownloadPiece(grpc::ServerContext*,
                             const pb::dfdaemon::DownloadPieceRequest* request,
                             pb::dfdaemon::DownloadPieceResponse* response) override {
    const auto record = task_->Piece(request->piece_number());
    if (!record) return {grpc::StatusCode::NOT_FOUND, "no such piece"};
    auto& piece = *response->mutable_piece();
    piece.set_number(record->number);
    piece.set_offset(record->offset);
    piece.set_length(record->length);
    piece.set_digest(StrCat("crc32:", record->crc32.value_or(0)));
    std::string& content = *piece.mutable_content();
    content.resize(record->length);
    for (std::size_t done = 0; done < content.size();) {
      const ssize_t got = ::pread(task_->content_fd(), content.data() + done, content.size() - done,
                                  static_cast<off_t>(record->offset + done));
      if (got <= 0) return {grpc::StatusCode::DATA_LOSS, "cannot read the piece"};
      done += static_cast<std::size_t>(got);
    }
    return grpc::Status::OK;
  }

 private:
  const std::shared_ptr<StoredTask> task_;
};

void RunParent(const Flags& flags, const std::string& dir, int port_out, int done) {
  const SystemClock clock;
  const auto storage = OpenStorage(dir, true, clock);
  Service service(CreateTask(*storage, flags));
  int listening = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &listening);
  builder.SetMaxSendMessageSize(std::numeric_limits<int>::max());
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const auto port = static_cast<std::uint16_t>(listening);
  if (::write(port_out, &port, sizeof(port)) != sizeof(port)) ::_exit(1);
  char byte = 0;
  (void)!::read(done, &byte, 1);
  server->Shutdown();
}

absl::Status FetchPieces(pb::dfdaemon::DfdaemonUpload::Stub& stub, StoredTask& task,
                         std::atomic<PieceNumber>& next) {
  for (PieceNumber number = next++; number < task.piece_count(); number = next++) {
    auto claim = task.ClaimPiece(number);
    if (!claim.ok()) return claim.status();
    grpc::ClientContext context;
    pb::dfdaemon::DownloadPieceRequest request;
    request.set_task_id(BenchTask().str());
    request.set_piece_number(number);
    pb::dfdaemon::DownloadPieceResponse response;
    const grpc::Status status = stub.DownloadPiece(&context, request, &response);
    if (!status.ok()) return absl::UnavailableError(status.error_message());
    const std::string& content = response.piece().content();
    if (auto s = claim->writer->Append(std::as_bytes(std::span(content))); !s.ok()) return s;
    if (response.piece().digest() != StrCat("crc32:", claim->writer->crc32())) {
      return absl::DataLossError("wrong bytes");
    }
    if (auto s = claim->writer->Commit({}); !s.ok()) return s;
  }
  return absl::OkStatus();
}

void RunChild(const Flags& flags, const std::string& dir, std::uint16_t port, int seconds_out) {
  const SystemClock clock;
  const auto storage = OpenStorage(dir, false, clock);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(std::numeric_limits<int>::max());
  // Each channel has a connection of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  std::vector<std::unique_ptr<pb::dfdaemon::DfdaemonUpload::Stub>> stubs;
  for (std::size_t i = 0; i < flags.channels; ++i) {
    stubs.push_back(pb::dfdaemon::DfdaemonUpload::NewStub(grpc::CreateCustomChannel(
        StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(), arguments)));
  }
  const auto start = std::chrono::steady_clock::now();
  const auto task = CreateTask(*storage, flags);
  std::atomic<PieceNumber> next{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < flags.concurrent; ++i) {
    threads.emplace_back([&, i] {
      if (auto s = FetchPieces(*stubs[i % stubs.size()], *task, next); !s.ok()) Die(s);
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!task->complete()) ::_exit(1);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double seconds = took.count();
  if (::write(seconds_out, &seconds, sizeof(seconds)) != sizeof(seconds)) ::_exit(1);
}

}  // namespace

const Protocol kGrpc{.parent = RunParent, .child = RunChild};

}  // namespace dragonfly::dfdaemon
