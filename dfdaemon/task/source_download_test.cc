// Downloads from the source: without a scheduler, by its word, and what can go wrong.

#include <filesystem>

#include <gmock/gmock.h>

#include "common/digest/digest.h"
#include "common/testing/matchers.h"
#include "dfdaemon/task/testing/task_fixture.h"

namespace dragonfly::dfdaemon {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

class SourceDownloadTest : public TaskFixture {};

absl::Status HttpError(int code) {
  SourceErrorInfo info;
  info.message = "origin answers " + std::to_string(code);
  info.headers = {{"X-Why", "because"}};
  info.status_code = code;
  return SourceError(std::move(info));
}

int HttpCode(const absl::Status& status) {
  const auto info = GetSourceError(status);
  return info ? info->status_code.value_or(0) : 0;
}

TEST_F(SourceDownloadTest, AnErrorOfTheSourceReachesTheCallerWithItsDetails) {
  source_.stat_error = HttpError(404);
  const Fetched fetched = Fetch(Request());
  EXPECT_FALSE(fetched.started);
  EXPECT_EQ(HttpCode(fetched.status), 404);
  EXPECT_EQ(GetSourceError(fetched.status)->headers.size(), 1U);
  EXPECT_EQ(metrics_.Get("failed"), 1U);
  EXPECT_EQ(Stored(), nullptr);
}

TEST_F(SourceDownloadTest, AFailureHalfWayReachesEveryCallerAndLeavesNoFile) {
  source_.gate.Close();
  source_.fetch_error = [](const SourceRequest&) { return HttpError(503); };
  auto request = Request();
  request.output_path = Output("out");
  auto first = Begin(request);
  auto second = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  source_.gate.Open();
  EXPECT_EQ(HttpCode(first.get().status), 503);
  EXPECT_EQ(HttpCode(second.get().status), 503);
  EXPECT_FALSE(std::filesystem::exists(Output("out")));
  EXPECT_TRUE(Stored()->times().failed_at.has_value());

  source_.fetch_error = nullptr;
  EXPECT_THAT(Fetch(Request()).status, IsOk()) << "and it can be tried again";
  EXPECT_EQ(OnDisk(), object_);
}

TEST_F(SourceDownloadTest, ASourceThatDoesNotTellItsLengthIsRefused) {
  source_.tells_length = false;
  EXPECT_THAT(Fetch(Request()).status,
              StatusIs(StatusCode::kInternal, "invalid content length"));
}

TEST_F(SourceDownloadTest, AContentOfUnknownLengthIsReadBeforeItBecomesATask) {
  Close();
  options.spool_dir = dir_.path();
  Open();
  source_.tells_length = false;
  auto request = Request();
  request.disable_back_to_source = true;
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kUnavailable, "download failed"));
  request.disable_back_to_source = false;
  request.digest = "sha256:" + Sha256Hex(object_);
  const Fetched fetched = Fetch(request);
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_source, kPieces);
  EXPECT_FALSE(fetched.was_finished);
  EXPECT_EQ(OnDisk(), object_);
  EXPECT_EQ(Fetch(Request()).local, kPieces);
}

TEST_F(SourceDownloadTest, AContentOfUnknownLengthIsJudgedByItsOwnBytes) {
  Close();
  options.spool_dir = dir_.path();
  Open();
  source_.tells_length = false;
  auto request = Request();
  request.url = "https://registry.example.com/v2/library/x/blobs/sha256:" + Sha256Hex(object_);
  ASSERT_THAT(Fetch(request).status, IsOk());
  ASSERT_THAT(storage_->Remove(TaskKind::kStandard, *manager_->IdOf(request)), IsOk());
  source_.object_[17] = static_cast<char>(source_.object_[17] ^ 1);
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kDataLoss, "digest mismatch"));
}

TEST_F(SourceDownloadTest, WithoutASchedulerAndWithTheSourceForbiddenTheDownloadFails) {
  auto request = Request();
  request.disable_back_to_source = true;
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kUnavailable, "download failed"));
  EXPECT_TRUE(source_.fetched().empty());
}

TEST_F(SourceDownloadTest, AForbiddenSourceIsNotReadThoughTheSchedulerSaysSo) {
  Answer(DownloadFromSource{"no parents"});
  auto request = Request();
  request.disable_back_to_source = true;
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kUnavailable, "download failed"));
  EXPECT_TRUE(source_.fetched().empty());
  EXPECT_TRUE(WaitFor([&] { return Count("failed") == 1; }));
}

TEST_F(SourceDownloadTest, ADiskWithoutRoomIsTold) {
  Close();
  disk_threshold = 100;
  Open();
  EXPECT_THAT(Fetch(Request()).status,
              StatusIs(StatusCode::kResourceExhausted, "no space left"));
}

TEST_F(SourceDownloadTest, WithoutASchedulerTheSourceIsRead) {
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_source, kPieces);
  EXPECT_FALSE(fetched.was_finished);
  EXPECT_EQ(OnDisk(), object_);
  EXPECT_EQ(source_.stats(), 1);
  EXPECT_EQ(source_.fetched().size(), kPieces);
  EXPECT_TRUE(Stored()->complete());
  EXPECT_TRUE(Stored()->times().finished_at.has_value());
  EXPECT_EQ(metrics_.Get("source_bytes"), object_.size());
  EXPECT_EQ(metrics_.Get("succeeded"), 1U);
}

TEST_F(SourceDownloadTest, TheSchedulerHearsOfEveryPieceInTheOrderItExpects) {
  Answer(DownloadFromSource{"you are the first"});
  EXPECT_THAT(Fetch(Request()).status, IsOk());
  ASSERT_TRUE(WaitFor([&] { return Count("source finished") == 1; }));
  const auto reports = scheduler_.reports();
  ASSERT_EQ(reports.size(), 3U + kPieces);
  EXPECT_EQ(reports[0], "register");
  EXPECT_EQ(reports[1], "source started");
  EXPECT_EQ(Count("source piece"), static_cast<int>(kPieces));
  EXPECT_EQ(reports.back(), "source finished");
}

TEST_F(SourceDownloadTest, TheSchedulerHearsOfTheSourcesFailure) {
  Answer(DownloadFromSource{"you are the first"});
  source_.fetch_error = [](const SourceRequest&) { return HttpError(403); };
  EXPECT_EQ(HttpCode(Fetch(Request()).status), 403);
  EXPECT_TRUE(WaitFor([&] { return Count("source failed") == 1; }));
  EXPECT_EQ(Count("source piece failed 403"), 1);
}

TEST_F(SourceDownloadTest, ASourceWithoutRangesIsReadOnce) {
  source_.supports_ranges = false;
  Answer(DownloadFromSource{"you are the first"});
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_source, kPieces);
  EXPECT_EQ(OnDisk(), object_);
  EXPECT_EQ(source_.whole_reads(), 1);
  EXPECT_TRUE(source_.fetched().empty());
  EXPECT_TRUE(WaitFor([&] { return Count("source finished") == 1; }));
  EXPECT_EQ(Count("source piece"), static_cast<int>(kPieces));
}

TEST_F(SourceDownloadTest, TwoCallersShareOneDownload) {
  Answer(DownloadFromSource{"you are the first"});
  source_.gate.Close();
  auto first = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  auto second = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return metrics_.Get("started") == 2; }));
  source_.gate.Open();
  const Fetched a = first.get();
  const Fetched b = second.get();
  EXPECT_THAT(a.status, IsOk());
  EXPECT_THAT(b.status, IsOk());
  EXPECT_EQ(a.pieces.size(), kPieces);
  EXPECT_EQ(b.pieces.size(), kPieces);
  EXPECT_EQ(source_.fetched().size(), kPieces);
  EXPECT_EQ(source_.stats(), 1);
  EXPECT_EQ(scheduler_.registrations(), 1);
}

TEST_F(SourceDownloadTest, ACallerWithBetterCredentialsIsNotRefusedWithAnother) {
  source_.gate.Close();
  source_.fetch_error = [](const SourceRequest& request) -> std::optional<absl::Status> {
    if (request.headers.empty()) return HttpError(401);
    return std::nullopt;
  };
  auto stranger = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  auto request = Request();
  request.request_headers = {{"Authorization", "Bearer good"}};
  auto friendly = Begin(request);
  ASSERT_TRUE(WaitFor([&] { return metrics_.Get("started") == 2; }));
  source_.gate.Open();
  EXPECT_EQ(HttpCode(stranger.get().status), 401);
  EXPECT_THAT(friendly.get().status, IsOk());
}

TEST_F(SourceDownloadTest, AFinishedTaskNeedsNeitherSourceNorScheduler) {
  ASSERT_THAT(Fetch(Request()).status, IsOk());
  const Fetched again = Fetch(Request());
  EXPECT_THAT(again.status, IsOk());
  EXPECT_TRUE(again.was_finished);
  EXPECT_EQ(again.local, kPieces);
  EXPECT_THAT(again.pieces, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(source_.stats(), 1);
  EXPECT_EQ(scheduler_.registrations(), 0);
  EXPECT_EQ(metrics_.Get("local_bytes"), object_.size());
}

TEST_F(SourceDownloadTest, ARestartWithHalfOfThePiecesFetchesTheRest) {
  std::atomic<int> left = 5;
  source_.fetch_error = [&left](const SourceRequest&) -> std::optional<absl::Status> {
    if (left.fetch_sub(1) <= 0) return HttpError(500);
    return std::nullopt;
  };
  ASSERT_EQ(HttpCode(Fetch(Request()).status), 500);
  const auto before = Stored()->finished_pieces();
  ASSERT_GT(before, 0U);
  ASSERT_LT(before, kPieces);
  source_.fetch_error = nullptr;
  Close();
  Open();
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.local, static_cast<int>(before));
  EXPECT_EQ(fetched.from_source, static_cast<int>(kPieces - before));
  EXPECT_EQ(OnDisk(), object_);
}

TEST_F(SourceDownloadTest, AnEmptyContentIsCompleteAndTheSchedulerKnows) {
  source_.object_.clear();
  Answer(EmptyTask{});
  auto request = Request();
  request.output_path = Output("empty");
  const Fetched fetched = Fetch(request);
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_TRUE(fetched.pieces.empty());
  EXPECT_EQ(std::filesystem::file_size(Output("empty")), 0U);
  EXPECT_TRUE(WaitFor([&] { return Count("finished") == 1; }));
  EXPECT_THAT(Fetch(Request()).status, IsOk());
  EXPECT_EQ(scheduler_.registrations(), 1);
}

TEST_F(SourceDownloadTest, ASeedTellsTheSchedulerOfContentThatItHasAlready) {
  ASSERT_THAT(Fetch(Request()).status, IsOk());
  Answer(MetadataOnly{});
  auto request = Request();
  request.need_back_to_source = true;
  EXPECT_THAT(Fetch(request).status, IsOk());
  EXPECT_TRUE(WaitFor([&] { return Count("finished") == 1; }));
  EXPECT_EQ(Count("register metadata"), 1);
}

TEST_F(SourceDownloadTest, AnOlderSchedulerHearsOfThePiecesOneByOne) {
  ASSERT_THAT(Fetch(Request()).status, IsOk());
  Answer(DownloadFromSource{"peer's NeedBackToSource is true"});
  auto request = Request();
  request.need_back_to_source = true;
  EXPECT_THAT(Fetch(request).status, IsOk());
  EXPECT_TRUE(WaitFor([&] { return Count("source finished") == 1; }));
  EXPECT_EQ(Count("source piece"), static_cast<int>(kPieces));
  EXPECT_EQ(source_.fetched().size(), kPieces) << "nothing was fetched again";
}

TEST_F(SourceDownloadTest, AChangedLengthOfTheSourceIsNoticedBeforeItIsMixedIn) {
  source_.fetch_error = [](const SourceRequest&) { return HttpError(500); };
  ASSERT_EQ(HttpCode(Fetch(Request()).status), 500);
  source_.fetch_error = nullptr;
  source_.object_ = FakeContent(1234);
  EXPECT_THAT(Fetch(Request()).status, IsOk());
  EXPECT_EQ(OnDisk(), source_.object_);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
