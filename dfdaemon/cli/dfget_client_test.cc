// dfget against a daemon that does what the test says.

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <gmock/gmock.h>

#include "common/async/runtime.h"
#include "common/async/sleep.h"
#include "common/digest/digest.h"
#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "common/testing/end_together.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "dfdaemon.grpc.pb.h"
#include "dfdaemon/cli/dfget_client.h"

namespace dragonfly::dfdaemon {
namespace {

using pb::dfdaemon::DownloadTaskRequest;
using pb::dfdaemon::DownloadTaskResponse;
using Answers = rpc::Writer<DownloadTaskResponse>;
using ::testing::HasSubstr;

class FakeDaemon final : public pb::dfdaemon::DfdaemonDownload::CallbackService {
 public:
  using Handler = std::function<Awaitable<absl::Status>(const DownloadTaskRequest&, Answers&)>;

  FakeDaemon(rpc::Calls& calls, Handler& handler) : calls_(calls), handler_(handler) {}
  grpc::ServerWriteReactor<DownloadTaskResponse>* DownloadTask(
      grpc::CallbackServerContext* context, const DownloadTaskRequest* request) override {
    return rpc::ServeWriter<DownloadTaskResponse>(
        calls_, "/dfdaemon.v2.DfdaemonDownload/DownloadTask", context, request,
        [this](rpc::ServerCall&, const DownloadTaskRequest& asked, Answers& writer) {
          return handler_(asked, writer);
        });
  }

 private:
  rpc::Calls& calls_;
  Handler& handler_;
};

DownloadTaskResponse Started(std::uint64_t content_length, std::uint32_t pieces) {
  DownloadTaskResponse response;
  auto& started = *response.mutable_download_task_started_response();
  started.set_content_length(content_length);
  for (std::uint32_t number = 0; number < pieces; ++number)
    started.add_pieces()->set_number(number);
  return response;
}

DownloadTaskResponse Piece(std::uint32_t number, std::uint64_t offset, std::string content,
                           pb::common::TrafficType type = pb::common::REMOTE_PEER) {
  DownloadTaskResponse response;
  auto& piece = *response.mutable_download_piece_finished_response()->mutable_piece();
  piece.set_number(number);
  piece.set_offset(offset);
  piece.set_length(content.size());
  piece.set_content(std::move(content));
  piece.set_traffic_type(type);
  return response;
}

class DfgetClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rpc::ServerOptions options;
    options.listen = {"unix:" + dir_.File("d.sock")};
    auto server = rpc::Server::Start(options, {&daemon_}, calls_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    server_->SetServing("dfdaemon.v2.DfdaemonDownload", true);
  }
  void TearDown() override {
    if (server_) RunCoro(client_, server_->Drain(Duration::zero()));
  }

  DfgetOptions Options() const {
    DfgetOptions options;
    options.url = "http://origin/file";
    options.output = dir_.File("out");
    options.endpoint = dir_.File("d.sock");
    return options;
  }
  static DfgetResult Run(const DfgetOptions& options, const DfgetCallbacks& callbacks = {}) {
    return RunDfget(options, ReportWriter(false), callbacks);
  }
  [[nodiscard]] bool OutputExists() const { return std::filesystem::exists(dir_.File("out")); }

  TempDir dir_;
  Runtime io_{"io", 1};
  Runtime client_{"client", 1};
  EndTogether ends_{&io_, &client_};
  rpc::Calls calls_{[this] {
    rpc::Calls::Options options;
    options.executor = [this] { return io_.executor(); };
    return options;
  }()};
  FakeDaemon::Handler handler_;
  FakeDaemon daemon_{calls_, handler_};
  std::unique_ptr<rpc::Server> server_;
};

Awaitable<absl::Status> SendTwoPieces(Answers& writer) {
  (void)co_await writer.Write(Started(6, 2));
  (void)co_await writer.Write(Piece(1, 3, "def", pb::common::BACK_TO_SOURCE));
  (void)co_await writer.Write(Piece(0, 0, "abc"));
  co_return absl::OkStatus();
}

TEST_F(DfgetClientTest, AsksForWhatTheFlagsSay) {
  DownloadTaskRequest seen;
  handler_ = [&seen](const DownloadTaskRequest& request, Answers& writer) {
    seen = request;
    return SendTwoPieces(writer);
  };
  auto options = Options();
  options.tag = "t";
  options.headers = {"X-T: 1", "broken", "X-U:  a:b "};
  options.disable_back_to_source = true;
  const auto result = Run(options);
  EXPECT_TRUE(result.ok) << result.report;
  const auto& download = seen.download();
  EXPECT_EQ(download.output_path(), options.output);
  EXPECT_FALSE(download.need_piece_content());
  EXPECT_EQ(download.tag(), "t");
  EXPECT_TRUE(download.has_application());
  EXPECT_EQ(download.request_header().size(), 2U);
  EXPECT_EQ(download.request_header().at("X-U"), "a:b");
  EXPECT_TRUE(download.disable_back_to_source());
  EXPECT_GT(download.filtered_query_params_size(), 20);
  EXPECT_EQ(download.priority(), pb::common::LEVEL6);
  EXPECT_FALSE(download.has_object_storage());
}

TEST_F(DfgetClientTest, WritesTheFileItselfWhenAskedTo) {
  handler_ = [](const DownloadTaskRequest& request, Answers& writer) {
    EXPECT_TRUE(request.download().need_piece_content());
    EXPECT_FALSE(request.download().has_output_path());
    return SendTwoPieces(writer);
  };
  auto options = Options();
  options.transfer_from_dfdaemon = true;
  options.digest = "sha256:" + Sha256Hex("abcdef");
  std::uint64_t seen = 0;
  DfgetCallbacks callbacks;
  callbacks.piece = [&seen](std::uint64_t length) { seen += length; };
  const auto result = Run(options, callbacks);
  EXPECT_TRUE(result.ok) << result.report;
  EXPECT_THAT(ReadFile(options.output), IsOkAndHolds("abcdef"));
  EXPECT_EQ(seen, 6U);
  EXPECT_EQ(result.from_source, 3U);
  EXPECT_EQ(result.from_peers, 3U);
}

TEST_F(DfgetClientTest, KeepsNoFileWithAnotherDigest) {
  handler_ = [](const DownloadTaskRequest&, Answers& writer) { return SendTwoPieces(writer); };
  auto options = Options();
  options.transfer_from_dfdaemon = true;
  options.digest = "sha256:" + std::string(64, '0');
  const auto result = Run(options);
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.report, HasSubstr("digest mismatch expected: sha256:" + std::string(64, '0')));
  EXPECT_FALSE(OutputExists());
}

Awaitable<absl::Status> SendPart(Answers& writer) {
  (void)co_await writer.Write(Started(6, 2));
  (void)co_await writer.Write(Piece(0, 0, "abc"));
  co_return absl::OkStatus();
}

TEST_F(DfgetClientTest, TakesAStreamThatEndsEarlyForAFailure) {
  handler_ = [](const DownloadTaskRequest&, Answers& writer) { return SendPart(writer); };
  auto options = Options();
  options.transfer_from_dfdaemon = true;
  const auto result = Run(options);
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.report, HasSubstr("download incomplete"));
  EXPECT_FALSE(OutputExists());
}

// As the daemon does: the output path is there before the bytes are.
Awaitable<absl::Status> LinkAndFail(const DownloadTaskRequest& request, Answers& writer) {
  WriteFile(request.download().output_path(), "");
  (void)co_await writer.Write(Started(6, 2));
  co_return absl::InternalError("no space left on device: x");
}

TEST_F(DfgetClientTest, RemovesTheHalfFileOfAFailedDownload) {
  handler_ = LinkAndFail;
  const auto result = Run(Options());
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.report, HasSubstr("Bad Code: Internal error\nMessage: no space left"));
  EXPECT_FALSE(OutputExists());
}

Awaitable<absl::Status> StartAndFail(Answers& writer, absl::Status status) {
  (void)co_await writer.Write(Started(6, 2));
  co_return status;
}

TEST_F(DfgetClientTest, LeavesAFileThatItDidNotMake) {
  handler_ = [](const DownloadTaskRequest&, Answers& writer) {
    return StartAndFail(writer, absl::InternalError("boom"));
  };
  WriteFile(dir_.File("out"), "old");
  auto options = Options();
  options.overwrite = true;
  EXPECT_FALSE(Run(options).ok);
  EXPECT_THAT(ReadFile(dir_.File("out")), IsOkAndHolds("old"));
}

TEST_F(DfgetClientTest, LeavesAFileThatSomebodyMadeMeanwhile) {
  handler_ = [this](const DownloadTaskRequest&, Answers& writer) {
    WriteFile(dir_.File("out"), "theirs");
    return StartAndFail(writer, absl::InternalError("output path x is already exists"));
  };
  EXPECT_FALSE(Run(Options()).ok);
  EXPECT_THAT(ReadFile(dir_.File("out")), IsOkAndHolds("theirs"));
}

Awaitable<absl::Status> Refuse(absl::Status status) { co_return status; }

TEST_F(DfgetClientTest, NamesTheStatusOfTheSource) {
  handler_ = [](const DownloadTaskRequest&, Answers&) {
    return Refuse(
        rpc::WithDetails(absl::InternalError("backend error: 403 Forbidden"),
                         R"({"message":"403 Forbidden","header":{"x-o":"1"},"status_code":403})"));
  };
  const auto result = Run(Options());
  EXPECT_THAT(result.report, HasSubstr("Bad Status Code: 403\nMessage: 403 Forbidden\nHeader: \n"
                                       "  [x-o]: 1"));
}

TEST_F(DfgetClientTest, SaysWhichSocketItCannotReach) {
  auto options = Options();
  options.endpoint = dir_.File("none.sock");
  EXPECT_THAT(Run(options).report, HasSubstr("please check the unix socket " + options.endpoint));
  WriteFile(dir_.File("file.sock"), "no socket");
  options.endpoint = dir_.File("file.sock");
  EXPECT_THAT(Run(options).report, HasSubstr("Connect Dfdaemon Failed!"));
}

Awaitable<absl::Status> HangAfterStart(Answers& writer) {
  (void)co_await writer.Write(Started(6, 2));
  co_await SleepFor(std::chrono::hours(1));
  co_return absl::OkStatus();
}

TEST_F(DfgetClientTest, StopsAtTheTimeoutOfTheWholeDownload) {
  handler_ = [](const DownloadTaskRequest&, Answers& writer) { return HangAfterStart(writer); };
  auto options = Options();
  options.timeout = std::chrono::milliseconds(50);
  EXPECT_THAT(Run(options).report, HasSubstr("Deadline expired before operation could complete"));
}

TEST_F(DfgetClientTest, StopsAndCleansUpWhenInterrupted) {
  handler_ = [](const DownloadTaskRequest& request, Answers& writer) {
    WriteFile(request.download().output_path(), "");
    return HangAfterStart(writer);
  };
  std::function<void()> cancel;
  DfgetCallbacks callbacks;
  callbacks.interrupted = [&cancel](std::function<void()> function) {
    if (function) cancel = std::move(function);
  };
  callbacks.started = [&cancel](std::uint64_t) { cancel(); };
  EXPECT_FALSE(Run(Options(), callbacks).ok);
  EXPECT_FALSE(OutputExists());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
