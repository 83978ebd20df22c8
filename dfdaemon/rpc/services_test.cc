#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "common/rpc/status.h"
#include "common/testing/matchers.h"
#include "common/testing/wait_for.h"
#include "dfdaemon/rpc/fake_daemon.h"
#include "dfdaemon/rpc/sync_pieces.h"

namespace dragonfly::dfdaemon {
namespace {

using pb::dfdaemon::DownloadTaskRequest;
using pb::dfdaemon::DownloadTaskResponse;
using ::testing::ElementsAre;
using UploadStub = pb::dfdaemon::DfdaemonUpload::Stub;
using DownloadStub = pb::dfdaemon::DfdaemonDownload::Stub;

const std::string kId(64, 'a');

std::string Content() { return std::string(100, 'x') + std::string(100, 'y') + "tail"; }

void WritePiece(StoredTask& task, PieceNumber number) {
  auto claim = task.ClaimPiece(number);
  ASSERT_THAT(claim, IsOk());
  ASSERT_NE(claim->writer, nullptr);
  const std::string content = Content();
  ASSERT_THAT(claim->writer->Append(
                  AsBytes(content).subspan(claim->writer->offset(), claim->writer->length())),
              IsOk());
  ASSERT_THAT(claim->writer->Commit({}), IsOk());
}

/// All messages of a stream and its end.
template <class Message>
struct Received {
  std::vector<Message> messages;
  absl::Status end;
};

template <class Stub, class Method, class Request, class Message>
Awaitable<Received<Message>> ReadAll(asio::any_io_executor executor, Stub& stub, Method method,
                                     Request request, std::size_t at_most) {
  Received<Message> received;
  auto stream = rpc::OpenReadStream(executor, *stub.async(), method, std::move(request));
  while (received.messages.size() < at_most) {
    auto message = co_await stream.Read();
    if (!message.ok()) {
      received.end = message.status();
      break;
    }
    if (!message->has_value()) break;
    received.messages.push_back(**std::move(message));
  }
  co_return received;
}

class DownloadTaskTest : public ServicesTest {
 protected:
  void SetUp() override {
    ServicesTest::SetUp();
    task_ = MakeTask(kId, Content());
    for (PieceNumber number = 0; number < 3; ++number) WritePiece(*task_, number);
    auto& script = tasks_.script;
    script.started.peer = {HostId("host"), TaskId(kId), PeerId("peer")};
    script.started.content_length = Content().size();
    script.started.response_headers = {{"etag", "x"}};
    script.started.pieces = {{0, 0, 100}, {1, 100, 100}, {2, 200, 4}};
    script.stored = task_;
    script.pieces = task_->Pieces();
  }

  Received<DownloadTaskResponse> Download(DownloadTaskRequest request, std::size_t at_most = 99) {
    return Run(ReadAll<DownloadStub, decltype(&DownloadStub::async::DownloadTask),
                       DownloadTaskRequest, DownloadTaskResponse>(
        client_.executor(), *download_stub_, &DownloadStub::async::DownloadTask, std::move(request),
        at_most));
  }
  Received<DownloadTaskResponse> DownloadOverTcp(DownloadTaskRequest request) {
    return Run(ReadAll<UploadStub, decltype(&UploadStub::async::DownloadTask), DownloadTaskRequest,
                       DownloadTaskResponse>(client_.executor(), *upload_stub_,
                                             &UploadStub::async::DownloadTask, std::move(request),
                                             99));
  }
  static DownloadTaskRequest Request() {
    DownloadTaskRequest request;
    request.mutable_download()->set_url("http://origin/file");
    return request;
  }

  std::shared_ptr<StoredTask> task_;
};

TEST_F(DownloadTaskTest, TellsWhatWillComeAndThenEachPiece) {
  auto request = Request();
  request.mutable_download()->set_need_piece_content(true);
  const auto received = Download(request);
  EXPECT_THAT(received.end, IsOk());
  ASSERT_EQ(received.messages.size(), 4U);
  const auto& started = received.messages[0].download_task_started_response();
  EXPECT_EQ(started.content_length(), 204U);
  EXPECT_EQ(started.pieces_size(), 3);
  EXPECT_EQ(started.response_header().at("etag"), "x");
  std::string content;
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(received.messages[i].peer_id(), "peer");
    content += received.messages[i].download_piece_finished_response().piece().content();
  }
  EXPECT_EQ(content, Content());
}

TEST_F(DownloadTaskTest, SendsNoContentThatNobodyAskedFor) {
  const auto received = Download(Request());
  ASSERT_EQ(received.messages.size(), 4U);
  EXPECT_FALSE(received.messages[1].download_piece_finished_response().piece().has_content());
}

TEST_F(DownloadTaskTest, RefusesRequestsItCannotUnderstand) {
  EXPECT_THAT(Download({}).end, StatusIs(absl::StatusCode::kInvalidArgument, "missing download"));
  auto request = Request();
  request.mutable_download()->set_url("bad");
  EXPECT_THAT(Download(request).end, StatusIs(absl::StatusCode::kInvalidArgument, "bad url"));
  request = Request();
  request.mutable_download()->set_piece_length(1);
  EXPECT_THAT(Download(request).end, StatusIs(absl::StatusCode::kInvalidArgument, "piece length"));
  request = Request();
  request.mutable_download()->set_digest("sha256:short");
  EXPECT_THAT(Download(request).end, StatusIs(absl::StatusCode::kInvalidArgument, "digest"));
  EXPECT_TRUE(tasks_.requests.empty());
}

TEST_F(DownloadTaskTest, TellsWhatTheSourceSaid) {
  tasks_.refuse = SourceError({"404 Not Found", {{"X-O", "1"}}, 404});
  const auto received = Download(Request());
  EXPECT_THAT(received.end, StatusIs(absl::StatusCode::kInternal, "backend error: 404 Not Found"));
  const auto details = nlohmann::json::parse(rpc::StatusDetails(received.end));
  EXPECT_EQ(details.at("status_code"), 404);
  EXPECT_EQ(details.at("header").at("x-o"), "1");
}

TEST_F(DownloadTaskTest, FailsHalfWayAfterThePiecesThatCame) {
  tasks_.script.pieces.resize(1);
  tasks_.script.end = absl::DataLossError("digest mismatch expected: a, actual: b");
  const auto received = Download(Request());
  EXPECT_EQ(received.messages.size(), 2U);
  EXPECT_THAT(received.end, StatusIs(absl::StatusCode::kInternal, "digest mismatch expected"));
}

TEST_F(DownloadTaskTest, StopsWhenTheCallerLeaves) {
  tasks_.script.hang = true;
  EXPECT_EQ(Download(Request(), 4).messages.size(), 4U);
  EXPECT_TRUE(WaitFor([this] { return tasks_.running == 0; }));
}

TEST_F(DownloadTaskTest, TakesOutputPathsOnlyFromThisHost) {
  auto request = Request();
  request.mutable_download()->set_output_path("/tmp/out");
  EXPECT_THAT(Download(request).end, IsOk());
  EXPECT_EQ(tasks_.requests.back().output_path, "/tmp/out");
  EXPECT_THAT(DownloadOverTcp(request).end, StatusIs(absl::StatusCode::kPermissionDenied));
  request.mutable_download()->set_output_path("relative");
  EXPECT_THAT(Download(request).end, StatusIs(absl::StatusCode::kInvalidArgument, "absolute"));
}

TEST_F(DownloadTaskTest, TakesTheTriggerOfASchedulerWithEmptyTexts) {
  auto request = Request();
  request.mutable_download()->set_output_path("");
  request.mutable_download()->set_tag("");
  request.mutable_download()->set_need_back_to_source(true);
  EXPECT_THAT(DownloadOverTcp(request).end, IsOk());
  EXPECT_FALSE(tasks_.requests.back().output_path.has_value());
  EXPECT_TRUE(tasks_.requests.back().need_back_to_source);
}

class SyncPiecesTest : public ServicesTest {
 protected:
  Awaitable<Received<pb::dfdaemon::SyncPiecesResponse>> Reading(
      std::vector<std::uint32_t> interested, std::size_t at_most = 99) {
    pb::dfdaemon::SyncPiecesRequest request;
    request.set_host_id("child");
    request.set_task_id(kId);
    request.mutable_interested_piece_numbers()->Assign(interested.begin(), interested.end());
    return ReadAll<UploadStub, decltype(&UploadStub::async::SyncPieces),
                   pb::dfdaemon::SyncPiecesRequest, pb::dfdaemon::SyncPiecesResponse>(
        client_.executor(), *upload_stub_, &UploadStub::async::SyncPieces, std::move(request),
        at_most);
  }
  static std::vector<std::uint32_t> Numbers(
      const Received<pb::dfdaemon::SyncPiecesResponse>& received) {
    std::vector<std::uint32_t> numbers;
    for (const auto& message : received.messages) numbers.push_back(message.number());
    return numbers;
  }
};

TEST_F(SyncPiecesTest, TellsPiecesThatAreThereAndThoseThatArrive) {
  const auto task = MakeTask(kId, Content());
  const auto running = task->Pin();
  WritePiece(*task, 2);
  auto reading = asio::co_spawn(client_.executor(), Reading({0, 2, 7}), asio::use_future);
  WritePiece(*task, 1);  // Nobody asked for it.
  WritePiece(*task, 0);
  task->MarkFinished();
  const auto received = reading.get();
  EXPECT_THAT(received.end, IsOk());
  EXPECT_THAT(Numbers(received), ::testing::UnorderedElementsAre(0U, 2U));
  for (const auto& message : received.messages) {
    EXPECT_EQ(message.ip(), "10.0.0.1");
    EXPECT_EQ(message.tcp_port(), 4005);
    EXPECT_FALSE(message.has_quic_port());
    EXPECT_EQ(message.offset(), message.number() * 100U);
    EXPECT_EQ(message.length(), message.number() == 2 ? 4U : 100U);
  }
}

TEST_F(SyncPiecesTest, EndsWhenAllWereTold) {
  const auto task = MakeTask(kId, Content());
  WritePiece(*task, 1);
  const auto received = Run(Reading({1, 1}));
  EXPECT_THAT(received.end, IsOk());
  EXPECT_THAT(Numbers(received), ElementsAre(1U));
}

TEST_F(SyncPiecesTest, SaysThatATaskIsUnknownOrFailed) {
  EXPECT_THAT(Run(Reading({0})).end,
              StatusIs(absl::StatusCode::kInternal, StrCat("task ", kId, " not found")));
  const auto task = MakeTask(kId, Content());
  task->MarkFailed();
  EXPECT_THAT(Run(Reading({0})).end,
              StatusIs(absl::StatusCode::kInternal, StrCat("task ", kId, " failed")));
}

TEST_F(SyncPiecesTest, DoesNotLetAChildWaitForATaskThatNobodyDownloads) {
  const auto task = MakeTask(kId, Content());
  WritePiece(*task, 0);
  const auto received = Run(Reading({0, 1}));
  EXPECT_THAT(received.end, StatusIs(absl::StatusCode::kInternal, "failed"));
  EXPECT_THAT(Numbers(received), ElementsAre(0U));
}

TEST_F(SyncPiecesTest, EndsATaskThatARangeDownloadFinishedWithPiecesMissing) {
  const auto task = MakeTask(kId, Content());
  WritePiece(*task, 0);
  task->MarkFinished();
  const auto received = Run(Reading({0, 1}));
  EXPECT_THAT(received.end, IsOk());
  EXPECT_THAT(Numbers(received), ElementsAre(0U));
}

// Does something while the first message is on its way.
class BusyWriter final : public rpc::Writer<pb::dfdaemon::SyncPiecesResponse> {
 public:
  BusyWriter(asio::any_io_executor executor, std::function<void()> meanwhile)
      : Writer(executor), executor_(std::move(executor)), meanwhile_(std::move(meanwhile)) {}
  void SendInitialMetadata() override {}

  std::vector<std::uint32_t> told;

 private:
  void StartWriting(const pb::dfdaemon::SyncPiecesResponse& message) override {
    told.push_back(message.number());
    if (const auto once = std::exchange(meanwhile_, nullptr)) once();
    asio::post(executor_, [this] { WriteDone(true); });
  }

  const asio::any_io_executor executor_;
  std::function<void()> meanwhile_;
};

TEST_F(SyncPiecesTest, TellsPiecesOfATaskThatIsFinishedWhileOthersAreTold) {
  const auto task = MakeTask(kId, Content());
  const auto running = task->Pin();
  WritePiece(*task, 1);
  BusyWriter writer(io_.executor(), [&task] {
    WritePiece(*task, 0);
    task->MarkFinished();
  });
  pb::dfdaemon::SyncPiecesRequest request;
  request.set_task_id(kId);
  for (const std::uint32_t number : {0U, 1U, 2U}) request.add_interested_piece_numbers(number);
  const ServiceDeps deps = Deps(upload_calls_, false);
  EXPECT_THAT(RunCoro(io_, ServeSyncPieces(deps, request, false, writer)), IsOk());
  EXPECT_THAT(writer.told, ElementsAre(1U, 0U));
}

TEST_F(SyncPiecesTest, TellsPiecesThatAreComingToThoseWhoTakeThem) {
  const auto task = MakeTask(kId, Content());
  const auto running = task->Pin();
  WritePiece(*task, 1);
  auto claim = task->ClaimPiece(0);
  ASSERT_THAT(claim, IsOk());
  claim->writer->PassOn(7, PeerId("parent"));
  BusyWriter writer(io_.executor(), [&] {
    claim->writer.reset();  // Lost: told again once it is here.
    WritePiece(*task, 0);
  });
  pb::dfdaemon::SyncPiecesRequest request;
  request.set_task_id(kId);
  for (const std::uint32_t number : {0U, 1U}) request.add_interested_piece_numbers(number);
  const ServiceDeps deps = Deps(upload_calls_, false);
  EXPECT_THAT(RunCoro(io_, ServeSyncPieces(deps, request, true, writer)), IsOk());
  EXPECT_THAT(writer.told, ElementsAre(0U, 1U, 0U));
}

TEST_F(SyncPiecesTest, DoesNotTellPiecesThatAreComingToOthers) {
  const auto task = MakeTask(kId, Content());
  const auto running = task->Pin();
  WritePiece(*task, 1);
  auto claim = task->ClaimPiece(0);
  ASSERT_THAT(claim, IsOk());
  claim->writer->PassOn(7, PeerId("parent"));
  BusyWriter writer(io_.executor(), [&task] { task->MarkFailed(); });
  pb::dfdaemon::SyncPiecesRequest request;
  request.set_task_id(kId);
  for (const std::uint32_t number : {0U, 1U}) request.add_interested_piece_numbers(number);
  const ServiceDeps deps = Deps(upload_calls_, false);
  EXPECT_THAT(RunCoro(io_, ServeSyncPieces(deps, request, false, writer)),
              StatusIs(absl::StatusCode::kInternal, "failed"));
  EXPECT_THAT(writer.told, ElementsAre(1U));
}

TEST_F(SyncPiecesTest, TellsOfAFailureWhileAChildWaits) {
  const auto task = MakeTask(kId, Content());
  const auto running = task->Pin();
  WritePiece(*task, 0);
  auto reading = asio::co_spawn(client_.executor(), Reading({0, 1}), asio::use_future);
  ASSERT_TRUE(WaitFor([this] { return upload_calls_.open() == 1; }));
  task->MarkFailed();
  EXPECT_THAT(reading.get().end, StatusIs(absl::StatusCode::kInternal, "failed"));
}

TEST_F(ServicesTest, SendsTheLoadOfTheNetworkUntilItStops) {
  network_.Start();
  pb::dfdaemon::SyncHostRequest request;
  request.set_host_id("child");
  auto reading = [this, &request](std::size_t at_most) {
    return ReadAll<UploadStub, decltype(&UploadStub::async::SyncHost),
                   pb::dfdaemon::SyncHostRequest, pb::common::Host>(
        client_.executor(), *upload_stub_, &UploadStub::async::SyncHost, request, at_most);
  };
  const auto received = Run(reading(3));
  EXPECT_EQ(received.messages.size(), 3U);
  EXPECT_TRUE(received.messages.back().has_network());

  auto endless = asio::co_spawn(client_.executor(), reading(1'000'000), asio::use_future);
  ASSERT_TRUE(WaitFor([this] { return upload_calls_.open() > 0; }));
  Run(upload_server_->Drain(std::chrono::hours(1)));
  upload_server_.reset();
  EXPECT_FALSE(endless.get().end.ok()) << "the grace is not for streams without end";
}

template <class Async, class Request, class Response>
Awaitable<absl::StatusOr<Response>> Call(Async* stub,
                                         void (Async::*method)(grpc::ClientContext*, const Request*,
                                                               Response*,
                                                               std::function<void(grpc::Status)>),
                                         std::type_identity_t<Request> request) {
  co_return co_await rpc::Unary(*stub, method, std::move(request), std::chrono::seconds(10));
}

TEST_F(ServicesTest, GivesAPieceToChildrenThatKnowNoVortex) {
  const auto task = MakeTask(kId, Content());
  pb::dfdaemon::DownloadPieceRequest request;
  request.set_task_id(kId);
  request.set_piece_number(2);
  EXPECT_THAT(Run(Call(upload_stub_->async(), &UploadStub::async::DownloadPiece, request)),
              StatusIs(absl::StatusCode::kNotFound, "piece metadata not found"));
  WritePiece(*task, 2);
  const auto piece = Run(Call(upload_stub_->async(), &UploadStub::async::DownloadPiece, request));
  ASSERT_THAT(piece, IsOk());
  EXPECT_EQ(piece->piece().content(), "tail");
  EXPECT_EQ(piece->piece().offset(), 200U);
  EXPECT_EQ(piece->digest(), PieceMetadataDigest(2, 200, 4, piece->piece().digest()));
  EXPECT_EQ(upload_bytes_, 4U) << "uploads are limited";
}

TEST_F(ServicesTest, APieceWhoseBytesWereChangedIsDroppedAndNotSent) {
  const auto task = MakeTask(kId, Content());
  for (const PieceNumber number : {0U, 1U, 2U}) WritePiece(*task, number);
  const std::filesystem::path path = task->content_path();
  std::fstream(path, std::ios::in | std::ios::out).seekp(100).write("?", 1);
  // Also where the file system counts time in ticks.
  std::filesystem::last_write_time(
      path, std::filesystem::last_write_time(path) + std::chrono::seconds(5));
  pb::dfdaemon::DownloadPieceRequest request;
  request.set_task_id(kId);
  request.set_piece_number(1);
  EXPECT_THAT(Run(Call(upload_stub_->async(), &UploadStub::async::DownloadPiece, request)),
              StatusIs(absl::StatusCode::kNotFound, "piece metadata not found"));
  EXPECT_FALSE(task->HasPiece(1));
  request.set_piece_number(2);
  EXPECT_THAT(Run(Call(upload_stub_->async(), &UploadStub::async::DownloadPiece, request)), IsOk());
}

TEST_F(ServicesTest, DescribesTasksOfThisNode) {
  pb::dfdaemon::StatLocalTaskRequest request;
  request.set_task_id(kId);
  EXPECT_THAT(Run(Call(upload_stub_->async(), &UploadStub::async::StatLocalTask, request)),
              StatusIs(absl::StatusCode::kNotFound, StrCat("local task not found: ", kId)));
  const auto task = MakeTask(kId, Content());
  task->MarkFinished();
  const auto described =
      Run(Call(upload_stub_->async(), &UploadStub::async::StatLocalTask, request));
  ASSERT_THAT(described, IsOk());
  EXPECT_EQ(described->content_length(), 204U);
  EXPECT_TRUE(described->has_finished_at());
  EXPECT_FALSE(described->has_failed_at());
  const auto listed = Run(Call(download_stub_->async(), &DownloadStub::async::ListLocalTasks,
                               pb::dfdaemon::ListLocalTasksRequest()));
  ASSERT_THAT(listed, IsOk());
  EXPECT_EQ(listed->tasks_size(), 1);
  EXPECT_EQ(metrics_.requested, 3);
  EXPECT_EQ(metrics_.failed, 1);
}

TEST_F(ServicesTest, DeletesTasksHereOrEverywhere) {
  pb::dfdaemon::DeleteTaskRequest everywhere;
  everywhere.set_task_id(kId);
  EXPECT_THAT(Run(Call(download_stub_->async(), &DownloadStub::async::DeleteTask, everywhere)),
              IsOk());
  tasks_.deletion = absl::NotFoundError("no such task");
  EXPECT_THAT(Run(Call(download_stub_->async(), &DownloadStub::async::DeleteTask, everywhere)),
              StatusIs(absl::StatusCode::kInternal, StrCat("task ", kId, " not found")));
  pb::dfdaemon::DeleteLocalTaskRequest here;
  here.set_task_id(kId);
  EXPECT_THAT(Run(Call(download_stub_->async(), &DownloadStub::async::DeleteLocalTask, here)),
              StatusIs(absl::StatusCode::kNotFound, StrCat("task not found: ", kId)));
  MakeTask(kId, Content());
  EXPECT_THAT(Run(Call(download_stub_->async(), &DownloadStub::async::DeleteLocalTask, here)),
              IsOk());
  EXPECT_EQ(storage_->Find(TaskKind::kStandard, TaskId(kId)), nullptr);
}

TEST_F(ServicesTest, PassesQuestionsOnToTheScheduler) {
  pb::dfdaemon::StatTaskRequest request;
  request.set_task_id(kId);
  const auto task = Run(Call(upload_stub_->async(), &UploadStub::async::StatTask, request));
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->id(), kId);
  schedulers_.stat = absl::NotFoundError("task not found");
  EXPECT_THAT(Run(Call(upload_stub_->async(), &UploadStub::async::StatTask, request)),
              StatusIs(absl::StatusCode::kInternal, "task not found"));
  EXPECT_THAT(Run(Call(download_stub_->async(), &DownloadStub::async::DeleteHost,
                       google::protobuf::Empty())),
              IsOk());
  EXPECT_EQ(schedulers_.deleted_hosts, 1);
}

TEST_F(ServicesTest, SaysWhatItDoesNotImplement) {
  EXPECT_THAT(Run(Call(download_stub_->async(), &DownloadStub::async::StatCacheTask,
                       pb::dfdaemon::StatCacheTaskRequest())),
              StatusIs(absl::StatusCode::kUnimplemented, "StatCacheTask"));
}

TEST(WantedPiecesTest, IgnoresNumbersThatDoNotExistOrRepeat) {
  google::protobuf::RepeatedField<std::uint32_t> numbers;
  for (const std::uint32_t number : {1U, 1U, 4'000'000'000U, 0U}) numbers.Add(number);
  WantedPieces wanted(numbers, 3);
  EXPECT_THAT(wanted.List(), ElementsAre(0U, 1U));
  wanted.Remove(0);
  wanted.Remove(1);
  wanted.Remove(1);
  EXPECT_TRUE(wanted.empty());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
