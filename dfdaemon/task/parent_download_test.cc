// Downloads from parents: spread, failing, lying, and a scheduler that dies.

#include <gmock/gmock.h>

#include "common/digest/digest.h"
#include "common/testing/matchers.h"
#include "dfdaemon/task/testing/task_fixture.h"

namespace dragonfly::dfdaemon {
namespace {

using absl::StatusCode;

class ParentDownloadTest : public TaskFixture {};

TEST_F(ParentDownloadTest, PiecesComeFromAllParentsAndNoneFromTheSource) {
  FakeParent& a = parents_.Add("a", object_);
  FakeParent& b = parents_.Add("b", object_);
  Answer(From({&a, &b}));
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_peers, kPieces);
  EXPECT_EQ(OnDisk(), object_);
  EXPECT_TRUE(source_.fetched().empty());
  const auto served = parents_.served();
  EXPECT_GT(served.at("a"), 0);
  EXPECT_GT(served.at("b"), 0);
  EXPECT_EQ(served.at("a") + served.at("b"), static_cast<int>(kPieces));
  ASSERT_TRUE(WaitFor([&] { return Count("finished") == 1; }));
  const auto reports = scheduler_.reports();
  EXPECT_EQ(reports[0], "register");
  EXPECT_EQ(reports[1], "started");
  EXPECT_EQ(reports.back(), "finished");
  EXPECT_EQ(Count("piece"), static_cast<int>(kPieces));
  EXPECT_EQ(metrics_.Get("peer_bytes"), object_.size());
}

TEST_F(ParentDownloadTest, ALyingParentIsLeftAndTheOtherServesTheRest) {
  FakeParent& liar = parents_.Add("liar", object_);
  liar.serve = [](PieceNumber) { return absl::DataLossError("wrong crc32"); };
  FakeParent& good = parents_.Add("good", object_);
  Answer(From({&liar, &good}));
  EXPECT_THAT(Fetch(Request()).status, IsOk());
  EXPECT_EQ(OnDisk(), object_);
  EXPECT_FALSE(parents_.served().contains("liar"));
  EXPECT_TRUE(source_.fetched().empty());
  EXPECT_GE(Count("piece 0 failed") + Count("piece 1 failed") + Count("piece 2 failed") +
                Count("piece 3 failed") + Count("piece 4 failed") + Count("piece 5 failed") +
                Count("piece 6 failed") + Count("piece 7 failed") + Count("piece 8 failed") +
                Count("piece 9 failed"),
            1);
}

TEST_F(ParentDownloadTest, AParentThatOffersWrongLengthsIsNotAsked) {
  FakeParent& liar = parents_.Add("liar", object_);
  OfferedPiece offer;
  offer.number = 0;
  offer.length = kPieceLength + 1;
  offer.tcp_port = liar.port;
  liar.wrong_offer = offer;
  FakeParent& good = parents_.Add("good", object_);
  Answer(From({&liar, &good}));
  EXPECT_THAT(Fetch(Request()).status, IsOk());
  EXPECT_EQ(OnDisk(), object_);
}

TEST_F(ParentDownloadTest, WhenTheParentDiesTheSchedulerNamesAnother) {
  FakeParent& dying = parents_.Add("dying", object_);
  std::atomic<int> left = 3;
  dying.serve = [&left](PieceNumber) {
    return left.fetch_sub(1) > 0 ? absl::OkStatus() : absl::UnavailableError("reset by peer");
  };
  FakeParent& good = parents_.Add("good", object_);
  scheduler_.connect_error.reset();
  scheduler_.answer = [&](const DownloadRequest&, const PeerReschedule* reschedule) {
    return FakeScheduler::Answer(From({reschedule == nullptr ? &dying : &good}));
  };
  EXPECT_THAT(Fetch(Request()).status, IsOk());
  EXPECT_EQ(OnDisk(), object_);
  EXPECT_EQ(parents_.served().at("dying"), 3);
  EXPECT_EQ(parents_.served().at("good"), 7);
  EXPECT_TRUE(source_.fetched().empty());
  EXPECT_GE(Count("reschedule"), 1);
}

// What blocks `parent` for its failures: a download that it breaks off again and again.
class BlockedParentTest : public TaskFixture {
 protected:
  BlockedParentTest() {
    parent.serve = [](PieceNumber) { return absl::UnavailableError("reset by peer"); };
    Answer(From({&parent}));
    for (const char* tag : {"first", "second"}) {
      auto request = Request();
      request.tag = tag;
      EXPECT_EQ(Fetch(request).from_source, kPieces);
    }
    parent.serve = nullptr;
  }

  FakeParent& parent = parents_.Add("blocked", object_);
};

TEST_F(BlockedParentTest, IsLeftAloneWhileOthersServe) {
  FakeParent& other = parents_.Add("other", object_);
  Answer(From({&parent, &other}));
  EXPECT_EQ(Fetch(Request()).from_peers, kPieces);
  EXPECT_FALSE(parents_.served().contains("blocked"));
}

TEST_F(BlockedParentTest, IsUsedWhenNothingComesFromTheOthers) {
  // Its parent might be this very node.
  FakeParent& waiting = parents_.Add("waiting", object_);
  waiting.offers = {0};
  waiting.keeps_stream_open = true;
  Answer(From({&parent, &waiting}));
  const SteadyTime began = clock_.Now();
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_LT(clock_.Now() - began, std::chrono::seconds(5)) << "the block lasts for 10 s or more";
  EXPECT_EQ(fetched.from_peers, kPieces);
  EXPECT_EQ(parents_.served().at("blocked"), static_cast<int>(kPieces) - 1);
}

TEST_F(BlockedParentTest, IsUsedWhenThereIsNobodyElse) {
  Answer(From({&parent}));
  EXPECT_EQ(Fetch(Request()).from_peers, kPieces);
}

TEST_F(BlockedParentTest, GetsOneChanceInADownload) {
  parent.serve = [](PieceNumber) { return absl::UnavailableError("reset by peer"); };
  Answer(From({&parent}));
  const int before = parents_.streams();
  EXPECT_EQ(Fetch(Request()).from_source, kPieces);
  EXPECT_EQ(parents_.streams(), before + 1);
}

TEST_F(ParentDownloadTest, TheSchedulerHearsOfAParentThatIsGone) {
  FakeParent gone("gone", 9, object_);
  FakeParent& waiting = parents_.Add("waiting", object_);
  waiting.offers = {0};
  waiting.keeps_stream_open = true;
  scheduler_.connect_error.reset();
  scheduler_.answer = [&](const DownloadRequest&, const PeerReschedule* reschedule) {
    const bool told = reschedule != nullptr && !reschedule->used.empty() &&
                      reschedule->used.front().peer_id == gone.candidate().peer_id;
    if (told) return FakeScheduler::Answer(DownloadFromSource{"nobody else"});
    return FakeScheduler::Answer(From({&gone, &waiting}));
  };
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_source, static_cast<int>(kPieces) - 1);
}

TEST_F(ParentDownloadTest, AParentThatCannotBeAskedForThisTaskIsAskedForOthers) {
  FakeParent& parent = parents_.Add("a", object_);
  parent.serve = [](PieceNumber) { return absl::InvalidArgumentError("the id does not fit"); };
  Answer(From({&parent}));
  EXPECT_EQ(Fetch(Request()).from_source, kPieces);
  parent.serve = nullptr;
  auto other = Request();
  other.tag = "other";
  EXPECT_EQ(Fetch(other).from_peers, kPieces);
}

TEST_F(ParentDownloadTest, ASchedulerWithUselessParentsIsGivenUp) {
  FakeParent gone("gone", 9, object_);
  Answer(From({&gone}));
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_source, kPieces);
  EXPECT_EQ(Count("reschedule"), 4);
  EXPECT_TRUE(WaitFor([&] { return Count("failed") == 1; }));
}

TEST_F(ParentDownloadTest, ADeadSchedulerDoesNotStopADownloadThatHasParents) {
  FakeParent& parent = parents_.Add("a", object_);
  parent.keeps_stream_open = true;
  parent.gate.Close();
  Answer(From({&parent}));
  auto download = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return parent.gate.waiting() == 3; }));
  asio::post(io_.executor(), [&] { scheduler_.Die(); });
  parent.gate.Open();
  const Fetched fetched = download.get();
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_peers, kPieces);
  EXPECT_TRUE(source_.fetched().empty());
}

TEST_F(ParentDownloadTest, WithADeadSchedulerOnlyWhatNoParentHasComesFromTheSource) {
  FakeParent& parent = parents_.Add("a", object_);
  parent.offers = {0, 1, 2, 3, 4, 5, 6};
  parent.gate.Close();
  Answer(From({&parent}));
  auto download = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return parent.gate.waiting() == 3; }));
  asio::post(io_.executor(), [&] { scheduler_.Die(); });
  parent.gate.Open();
  const Fetched fetched = download.get();
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_peers, 7);
  EXPECT_EQ(fetched.from_source, 3);
  EXPECT_EQ(OnDisk(), object_);
}

TEST_F(ParentDownloadTest, TheSeedIsAskedOnlyForWhatNoOtherParentOffers) {
  FakeParent& seed = parents_.Add("seed", object_);
  seed.is_seed = true;
  FakeParent& peer = parents_.Add("peer", object_);
  peer.offers = {0, 1, 2, 3, 4, 5, 6, 7};
  // Both have told what they have before the first piece is asked for.
  Answer(From({&peer, &seed}));
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_GE(parents_.served().at("seed"), 2);
  EXPECT_GT(parents_.served().at("peer"), 0);
}

TEST_F(ParentDownloadTest, AParentThatLosesAPieceIsAskedForOthers) {
  FakeParent& forgetful = parents_.Add("forgetful", object_);
  forgetful.serve = [](PieceNumber number) {
    return number == 4 ? absl::NotFoundError("no such piece") : absl::OkStatus();
  };
  scheduler_.connect_error.reset();
  scheduler_.answer = [&](const DownloadRequest&, const PeerReschedule* reschedule) {
    if (reschedule == nullptr) return FakeScheduler::Answer(From({&forgetful}));
    return FakeScheduler::Answer(DownloadFromSource{"nobody else"});
  };
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(fetched.from_peers, 9);
  EXPECT_EQ(source_.fetched(), std::vector<PieceNumber>{4});
  EXPECT_TRUE(WaitFor([&] { return Count("source finished") == 1; }));
}

TEST_F(ParentDownloadTest, AContentThatIsNotTheBlobOfItsNameIsFetchedFromOthers) {
  std::string wrong = object_;
  wrong[4321] = static_cast<char>(wrong[4321] ^ 1);
  FakeParent& liar = parents_.Add("liar", wrong);
  FakeParent& good = parents_.Add("good", object_);
  scheduler_.connect_error.reset();
  scheduler_.answer = [&](const DownloadRequest&, const PeerReschedule* reschedule) {
    // The second registration is told of the liar again, and of another.
    if (scheduler_.registrations() == 1) return FakeScheduler::Answer(From({&liar}));
    (void)reschedule;
    return FakeScheduler::Answer(From({&liar, &good}));
  };
  auto request = Request();
  request.url = "https://registry.example.com/v2/library/x/blobs/sha256:" + Sha256Hex(object_);
  request.enable_task_id_based_blob_digest = true;
  EXPECT_THAT(Fetch(request).status, IsOk());
  EXPECT_EQ(parents_.served().at("good"), static_cast<int>(kPieces));
  const auto stored = storage_->Find(TaskKind::kStandard, *manager_->IdOf(request));
  EXPECT_EQ(ReadFile(stored->content_path()).value(), object_);

  // Quarantined for other downloads too.
  Answer(From({&liar, &good}));
  EXPECT_THAT(Fetch(Request()).status, IsOk());
  EXPECT_EQ(parents_.served().at("liar"), static_cast<int>(kPieces));
}

TEST_F(ParentDownloadTest, ABlobThatTheSourceHasWrongIsRefused) {
  auto request = Request();
  request.url = "https://registry.example.com/v2/library/x/blobs/sha256:" + Sha256Hex("another");
  request.output_path = Output("blob");
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kDataLoss, "digest mismatch"));
  const auto stored = storage_->Find(TaskKind::kStandard, *manager_->IdOf(request));
  EXPECT_EQ(stored->finished_pieces(), 0U);
  EXPECT_FALSE(stored->times().finished_at.has_value());
  EXPECT_FALSE(ReadFile(Output("blob")).ok());
}

TEST_F(ParentDownloadTest, ACallersDigestThatNobodyMeetsFailsAfterOneMoreTry) {
  FakeParent& a = parents_.Add("a", object_);
  FakeParent& b = parents_.Add("b", object_);
  Answer(From({&a}));
  auto request = Request();
  request.digest = "sha256:" + Sha256Hex("another");
  scheduler_.answer = [&](const DownloadRequest&, const PeerReschedule*) {
    return FakeScheduler::Answer(From({scheduler_.registrations() == 1 ? &a : &b}));
  };
  EXPECT_THAT(Fetch(request).status, StatusIs(StatusCode::kDataLoss, "digest mismatch"));
  EXPECT_EQ(parents_.served().at("b"), static_cast<int>(kPieces));
  EXPECT_EQ(Stored()->finished_pieces(), 0U);
  // Nobody is quarantined for a caller's mistake.
  Answer(From({&a}));
  EXPECT_THAT(Fetch(Request()).status, IsOk());
  EXPECT_EQ(parents_.served().at("a"), static_cast<int>(2 * kPieces));
}

TEST_F(ParentDownloadTest, APieceThatWaitsAtABusyParentComesFromWhoeverIsFree) {
  FakeParent& busy = parents_.Add("busy", object_);
  busy.gate.Close();
  FakeParent& free = parents_.Add("free", object_);
  Answer(From({&busy, &free}));
  const Fetched fetched = Fetch(Request());
  EXPECT_THAT(fetched.status, IsOk());
  EXPECT_EQ(OnDisk(), object_);
  EXPECT_EQ(parents_.served().at("free"), static_cast<int>(kPieces));
  EXPECT_FALSE(parents_.served().contains("busy"));
  EXPECT_EQ(busy.gate.waiting(), 0) << "the questions were withdrawn";
  EXPECT_TRUE(source_.fetched().empty());
  busy.gate.Open();
}

TEST_F(ParentDownloadTest, AQuestionToTheOnlyParentWaitsForItsTurn) {
  FakeParent& busy = parents_.Add("busy", object_);
  busy.gate.Close();
  Answer(From({&busy}));
  auto fetched = Begin(Request());
  ASSERT_TRUE(WaitFor([&] { return busy.gate.waiting() > 0; }));
  busy.gate.Open();
  EXPECT_THAT(fetched.get().status, IsOk());
  EXPECT_EQ(OnDisk(), object_);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
