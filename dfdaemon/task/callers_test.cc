// What callers may ask for: ranges, output files, digests, prefetch; and that they may leave.

#include <filesystem>

#include <gmock/gmock.h>

#include "common/digest/digest.h"
#include "common/testing/matchers.h"
#include "dfdaemon/task/testing/task_fixture.h"

namespace dragonfly::dfdaemon {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

class CallersTest : public TaskFixture {
 protected:
  // A caller that leaves once told to.
  static Awaitable<> LeaveAt(TaskManager& manager, DownloadRequest request, Gate& leave) {
    auto download = co_await manager.Start(std::move(request));
    EXPECT_THAT(download, IsOk());
    co_await leave.Pass();
  }
  std::future<void> BeginAndLeave(DownloadRequest request, Gate& leave) {
    return asio::co_spawn(io_.executor(), LeaveAt(*manager_, std::move(request), leave),
                          asio::use_future);
  }
};

TEST_F(CallersTest, BadRequestsAreRefusedBeforeAnythingHappens) {
  auto request = Request();
  request.url = "";
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kInvalidArgument));
  request = Request();
  request.digest = "sha256:12";
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kInvalidArgument, "invalid digest"));
  request.digest = "blake3:" + std::string(64, 'a');
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kInvalidArgument, "blake3"));
  request = Request();
  request.output_path = "/tmp/../etc/passwd";
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kInvalidArgument));
  request = Request();
  request.kind = TaskKind::kPersistentCache;
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kUnimplemented));
  EXPECT_EQ(source_.stats(), 0);
}

TEST_F(CallersTest, WhatIsBlockedIsNotEvenBegun) {
  Close();
  options.blocked = [](const DownloadRequest& request) { return request.tag == "blocked"; };
  Open();
  auto request = Request();
  request.tag = "blocked";
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kPermissionDenied, "blocklist"));
  EXPECT_EQ(source_.stats(), 0);
  EXPECT_EQ(metrics_.Get("blocked"), 1U);
  EXPECT_EQ(metrics_.Get("started"), 0U);
}

TEST_F(CallersTest, ARangeOutsideTheContentIsRefusedAndDoesNotFailTheTask) {
  auto request = Request();
  request.request_headers = {{"range", "bytes=20000-"}};
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kFailedPrecondition));
  request.request_headers = {{"Range", "lines=1-2"}};
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_FALSE(Stored()->times().failed_at.has_value());
}

TEST_F(CallersTest, ARangeBringsWholePiecesAndOnlyThose) {
  auto request = Request();
  request.range = ByteRange{1500, 1000};
  const Fetched fetched = Fetch(request);
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_THAT(fetched.pieces, UnorderedElementsAre(1, 2));
  EXPECT_THAT(source_.fetched(), UnorderedElementsAre(1, 2));
  ASSERT_TRUE(WaitFor([&] { return Stored()->times().finished_at.has_value(); }));
  EXPECT_FALSE(Stored()->complete());
  request.range.reset();
  request.request_headers = {{"Range", "bytes=-1"}};
  EXPECT_THAT(Fetch(request).pieces, ElementsAre(9));
}

TEST_F(CallersTest, AWholeDownloadAfterARangeRegistersAnewAndFetchesTheRest) {
  Answer(DownloadFromSource{"first"});
  source_.gate.Close();
  auto request = Request();
  request.range = ByteRange{0, 3000};
  auto range = Begin(request);
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  auto whole = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return metrics_.Get("started") == 2; }));
  source_.gate.Open();
  const Fetched part = range.get();
  const Fetched all = whole.get();
  EXPECT_THAT(part.status, IsOk());
  EXPECT_EQ(part.pieces.size(), 3U);
  EXPECT_THAT(all.status, IsOk());
  EXPECT_EQ(all.pieces.size(), kPieces);
  EXPECT_EQ(source_.fetched().size(), kPieces);
  EXPECT_TRUE(WaitFor([&] { return Count("source finished") == 2; }));
  EXPECT_EQ(Count("register range"), 1);
  EXPECT_EQ(Count("register"), 2);
}

TEST_F(CallersTest, ACallerThatLeavesDoesNotStopTheOthers) {
  source_.gate.Close();
  Gate leave(false);
  auto leaving = BeginAndLeave(Request(), leave);
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  auto staying = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return metrics_.Get("started") == 2; }));
  leave.Open();
  leaving.get();
  source_.gate.Open();
  EXPECT_THAT(staying.get().status, IsOk());
  EXPECT_EQ(metrics_.Get("left"), 1U);
  EXPECT_EQ(OnDisk(), object_);
}

TEST_F(CallersTest, TheLastCallerThatLeavesStopsTheDownload) {
  Answer(DownloadFromSource{"first"});
  source_.gate.Close();
  Gate leave(false);
  auto leaving = BeginAndLeave(Request(), leave);
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  leave.Open();
  leaving.get();
  EXPECT_TRUE(WaitFor([&] { return Count("source failed") == 1; }));
  EXPECT_TRUE(WaitFor([&] { return source_.gate.waiting() == 0; }));
  EXPECT_EQ(Stored()->finished_pieces(), 0U);
  source_.gate.Open();
  EXPECT_THAT(Fetch(Request()).status, IsOk()) << "and it can be begun again";
}

TEST_F(CallersTest, ASeedGoesOnWhenTheSchedulerThatAskedIsGone) {
  source_.gate.Close();
  Gate leave(false);
  auto request = Request();
  request.need_back_to_source = true;
  auto leaving = BeginAndLeave(request, leave);
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  leave.Open();
  leaving.get();
  source_.gate.Open();
  EXPECT_TRUE(WaitFor([&] { return Stored()->times().finished_at.has_value(); }));
  EXPECT_EQ(OnDisk(), object_);
}

TEST_F(CallersTest, TheContentIsLinkedToItsOutputPathAtTheEnd) {
  source_.gate.Close();
  auto request = Request();
  request.output_path = Output("out");
  auto download = Begin(request);
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  EXPECT_FALSE(std::filesystem::exists(Output("out"))) << "nothing partial is seen there";
  source_.gate.Open();
  EXPECT_THAT(download.get().status, IsOk());
  EXPECT_EQ(ReadFile(Output("out")).value(), object_);
}

TEST_F(CallersTest, AContentThatWasChangedThroughItsOutputPathIsFetchedAgain) {
  auto request = Request();
  request.output_path = Output("out");
  ASSERT_THAT(Fetch(request).status, IsOk());
  ASSERT_TRUE(std::filesystem::equivalent(Output("out"), Stored()->content_path()));
  WriteFile(Output("out"), "mine");
  request.output_path = Output("again");
  EXPECT_THAT(Fetch(request).status, IsOk());
  EXPECT_EQ(ReadFile(Output("again")).value(), object_);
  EXPECT_EQ(ReadFile(Output("out")).value(), "mine");
}

TEST_F(CallersTest, AnotherFileAtTheOutputPathIsToldBeforeTheDownload) {
  WriteFile(Output("out"), "mine");
  auto request = Request();
  request.output_path = Output("out");
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kAlreadyExists, "is already exists"));
  EXPECT_EQ(ReadFile(Output("out")).value(), "mine");
  EXPECT_TRUE(source_.fetched().empty());
  request.overwrite = true;
  EXPECT_THAT(Fetch(request).status, IsOk());
  EXPECT_EQ(ReadFile(Output("out")).value(), object_);
}

TEST_F(CallersTest, AMissingOutputFolderIsTold) {
  auto request = Request();
  request.output_path = Output("no/such/folder/out");
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kInternal, "No such file"));
}

TEST_F(CallersTest, AWrongDigestLeavesNoFileAndNoPieces) {
  auto request = Request();
  request.output_path = Output("out");
  request.digest = "sha256:" + Sha256Hex("another");
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kDataLoss, "digest mismatch"));
  EXPECT_FALSE(std::filesystem::exists(Output("out")));
  EXPECT_EQ(Stored()->finished_pieces(), 0U);
  EXPECT_FALSE(Stored()->times().finished_at.has_value());
}

TEST_F(CallersTest, EveryDigestIsCheckedAlsoOfFinishedTasks) {
  ASSERT_THAT(Fetch(Request()).status, IsOk());
  auto request = Request();
  for (const DigestAlgorithm algorithm :
       {DigestAlgorithm::kCrc32, DigestAlgorithm::kMd5, DigestAlgorithm::kSha1,
        DigestAlgorithm::kSha256, DigestAlgorithm::kSha512}) {
    auto hasher = Hasher::Create(algorithm);
    ASSERT_THAT(hasher, IsOk());
    hasher->Update(object_);
    request.digest = hasher->Finish().ToString();
    EXPECT_THAT(Fetch(request).status, IsOk()) << *request.digest;
  }
  EXPECT_EQ(source_.fetched().size(), kPieces);
  request.digest = "sha512:" + std::string(128, '0');
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kDataLoss));
}

TEST_F(CallersTest, AContentThatSomebodyIsHappyWithSurvivesAnothersWrongDigest) {
  source_.gate.Close();
  auto wrong = Request();
  wrong.digest = "sha256:" + Sha256Hex("another");
  auto first = Begin(wrong);
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  auto right = Request();
  right.digest = "sha256:" + Sha256Hex(object_);
  auto second = Begin(right);
  ASSERT_TRUE(WaitFor([&] { return metrics_.Get("started") == 2; }));
  source_.gate.Open();
  EXPECT_THAT(first.get().status, StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(second.get().status, IsOk());
  EXPECT_TRUE(Stored()->complete());
}

TEST_F(CallersTest, ARangeMayBringTheWholeContentAlong) {
  Answer(DownloadFromSource{"first"});
  auto request = Request();
  request.range = ByteRange{0, 10};
  request.prefetch = true;
  const Fetched fetched = Fetch(request);
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_THAT(fetched.pieces, ElementsAre(0));
  EXPECT_TRUE(WaitFor([&] { return Stored()->complete(); }));
  EXPECT_TRUE(WaitFor([&] { return metrics_.Get("succeeded") == 2; }));
  EXPECT_EQ(metrics_.Get("prefetch"), 1U);
  EXPECT_EQ(source_.fetched().size(), kPieces);
  EXPECT_THAT(Fetch(request).status, IsOk());
  EXPECT_EQ(metrics_.Get("prefetch"), 1U) << "once per task";
}

Awaitable<> CountBytes(std::atomic<std::uint64_t>& total, std::uint64_t bytes) {
  total += bytes;
  co_return;
}

TEST_F(CallersTest, TheLimitOnPrefetchingEndsWhenSomebodyWaitsForTheContent) {
  Close();
  std::atomic<std::uint64_t> limited = 0;
  options.acquire_prefetch = [&limited](std::uint64_t bytes) { return CountBytes(limited, bytes); };
  Open();
  source_.gate.Close();
  auto request = Request();
  request.is_prefetch = true;
  auto prefetch = Begin(request);
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  EXPECT_EQ(limited, 3 * kPieceLength);
  auto caller = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return metrics_.Get("started") == 2; }));
  source_.gate.Open();
  EXPECT_THAT(caller.get().status, IsOk());
  EXPECT_THAT(prefetch.get().status, IsOk());
  EXPECT_EQ(limited, 3 * kPieceLength);
  Close();
}

TEST_F(CallersTest, ADeletedTaskEndsItsDownloadAndIsGone) {
  source_.gate.Close();
  auto download = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  const TaskId id = *manager_->IdOf(Request());
  EXPECT_THAT(RunCoro(io_, manager_->Delete(TaskKind::kStandard, id)), IsOk());
  EXPECT_THAT(download.get().status, StatusIs(StatusCode::kAborted));
  EXPECT_EQ(Stored(), nullptr);
  EXPECT_EQ(scheduler_.deleted(), 1);
  EXPECT_THAT(RunCoro(io_, manager_->Delete(TaskKind::kStandard, id)),
              StatusIs(StatusCode::kNotFound));
}

TEST_F(CallersTest, StopEndsEveryDownload) {
  source_.gate.Close();
  auto download = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return source_.gate.waiting() == 3; }));
  RunCoro(io_, manager_->Stop());
  EXPECT_THAT(download.get().status, StatusIs(StatusCode::kUnavailable, "stopping"));
  EXPECT_THAT(Fetch(Request()).status, StatusIs(StatusCode::kUnavailable, "stopping"));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
