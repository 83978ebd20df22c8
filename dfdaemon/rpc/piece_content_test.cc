// Content in answers, and children that do not take it.

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>

#include <future>

#include "common/base/bytes.h"
#include "common/base/strings.h"
#include "common/testing/matchers.h"
#include "common/testing/wait_for.h"
#include "dfdaemon/rpc/fake_daemon.h"

namespace dragonfly::dfdaemon {
namespace {

using pb::dfdaemon::DownloadPieceRequest;
using UploadStub = pb::dfdaemon::DfdaemonUpload::Stub;

// Asks for a piece and never reads the answer.
class StalledChild final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  StalledChild(std::shared_ptr<grpc::Channel> channel, const DownloadPieceRequest& request)
      : stub_(std::move(channel)) {
    bool own_buffer = false;
    EXPECT_TRUE(
        grpc::SerializationTraits<DownloadPieceRequest>::Serialize(request, &buffer_, &own_buffer)
            .ok());
    stub_.PrepareBidiStreamingCall(&context_, "/dfdaemon.v2.DfdaemonUpload/DownloadPiece", {},
                                   this);
    StartWriteLast(&buffer_, {});
    AddHold();
    StartCall();
  }
  void Leave() {
    context_.TryCancel();
    RemoveHold();
    done_.get_future().wait();
  }
  void OnDone(const grpc::Status& /*status*/) override { done_.set_value(); }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer buffer_;
  std::promise<void> done_;
};

class PieceContentTest : public ServicesTest {
 protected:
  static constexpr std::uint64_t kLarge = 4 * kMiB;

  // A task of two pieces: a large one and one byte.
  void SetUp() override {
    ServicesTest::SetUp();
    TaskSpec spec;
    spec.id = TaskId(id_);
    spec.piece_length = kLarge;
    spec.content_length = kLarge + 1;
    auto task = storage_->Create(std::move(spec));
    ASSERT_THAT(task, IsOk());
    for (const PieceNumber number : {0U, 1U}) {
      auto claim = (*task)->ClaimPiece(number);
      ASSERT_THAT(claim, IsOk());
      const std::string bytes(claim->writer->length(), 'x');
      ASSERT_THAT(claim->writer->Append(AsBytes(bytes)), IsOk());
      ASSERT_THAT(claim->writer->Commit({}), IsOk());
    }
  }
  [[nodiscard]] DownloadPieceRequest Request(PieceNumber number) const {
    DownloadPieceRequest request;
    request.set_task_id(id_);
    request.set_piece_number(number);
    return request;
  }
  absl::Status Ask(UploadStub& stub, PieceNumber number) {
    return Run(rpc::Unary(*stub.async(), &UploadStub::async::DownloadPiece, Request(number),
                          std::chrono::seconds(10)))
        .status();
  }
  static Awaitable<std::uint64_t> ReadTaken(const ContentBudget& budget) {
    co_return budget.taken();
  }
  [[nodiscard]] std::uint64_t Taken() { return RunCoro(io_, ReadTaken(content_)); }

  const std::string id_ = std::string(64, 'b');
};

TEST_F(PieceContentTest, CountsUntilTheChildTookIt) {
  StalledChild child(*rpc::Connect(StrCat("127.0.0.1:", upload_server_->port())), Request(0));
  ASSERT_TRUE(WaitFor([this] { return Taken() == kLarge; }));
  // Another piece that was asked for, read and sent later: the handler of the first has returned.
  EXPECT_THAT(Ask(*upload_stub_, 1), IsOk());
  EXPECT_GE(Taken(), kLarge);
  child.Leave();
  EXPECT_TRUE(WaitFor([this] { return Taken() == 0; }));
}

TEST_F(PieceContentTest, IsRefusedWhenTooManyWait) {
  ContentBudget full(io_.executor(), {.bytes = 1, .max_waiting = 0});
  rpc::Calls::Options options;
  options.executor = [this] { return io_.executor(); };
  rpc::Calls calls(options);
  ServiceDeps deps = Deps(upload_calls_, false);
  UploadService service({.calls = calls,
                         .io = deps.io,
                         .disk = deps.disk,
                         .storage = deps.storage,
                         .tasks = deps.tasks,
                         .schedulers = deps.schedulers,
                         .network = deps.network,
                         .metrics = deps.metrics,
                         .content = full,
                         .host_id = deps.host_id,
                         .ip = deps.ip,
                         .vortex_tcp_port = deps.vortex_tcp_port,
                         .vortex_quic_port = std::nullopt,
                         .acquire_upload = {},
                         .allow_output_path = false});
  rpc::ServerOptions tcp;
  tcp.listen = {"127.0.0.1:0"};
  auto server = rpc::Server::Start(tcp, {&service}, calls);
  ASSERT_THAT(server, IsOk());
  const auto stub =
      pb::dfdaemon::DfdaemonUpload::NewStub(*rpc::Connect(StrCat("127.0.0.1:", (*server)->port())));
  EXPECT_THAT(Ask(*stub, 0), StatusIs(absl::StatusCode::kResourceExhausted, "too many pieces"));
  Run((*server)->Drain(Duration::zero()));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
