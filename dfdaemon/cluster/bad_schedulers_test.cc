// Schedulers that say nothing, or do not listen.

#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <utility>

#include "common/async/notifier.h"
#include "common/async/with_timeout.h"
#include "common/base/strings.h"
#include "common/testing/matchers.h"
#include "dfdaemon/cluster/schedulers_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// Takes registrations and says nothing until told to.
struct Silence {
  std::atomic<bool> over = false;
  Awaitable<absl::Status> operator()(FakeScheduler& scheduler, AnnounceStream& stream) const {
    if (over) co_return co_await SendToSource(scheduler, stream);
    while (auto message = co_await stream.Read()) scheduler.messages.Add(*message);
    co_return absl::OkStatus();
  }
};

// Whoever gets no answer loses this much, and remembers it for that long.
class SilentSchedulerTest : public SchedulersTest {
 protected:
  static SchedulerClientOptions Impatient() {
    SchedulerClientOptions options = ClientOptions();
    options.first_answer_timeout = milliseconds(100);
    return options;
  }
  void TearDown() override {
    Run(impatient_.Stop());
    SchedulersTest::TearDown();
  }
  std::string Converse(const std::string& task = std::string(64, 'a')) {
    return Run(dragonfly::dfdaemon::Converse(impatient_, Peer(task)));
  }

  Silence silence_;
  SchedulerDirectory remembering_{io_.executor(),
                                  {.first = milliseconds(300), .longest = std::chrono::hours(1)}};
  GrpcSchedulerClient impatient_{io_.executor(), Impatient(), channels_, remembering_, announcer_};
};

TEST_F(SilentSchedulerTest, CostsOneDownloadItsTimeNotEveryOne) {
  scheduler_.announce = std::ref(silence_);
  Run(Put(remembering_, {Live()}));
  EXPECT_THAT(Converse(), HasSubstr("timed out after 100 ms"));
  EXPECT_THAT(Converse(), HasSubstr("no scheduler answered the last registrations"));
  EXPECT_EQ(scheduler_.messages.size(), 1U);
  // Asked again after a while, and trusted again once it answers.
  silence_.over = true;
  EXPECT_TRUE(WaitFor([this] { return Converse() == "done"; }));
  EXPECT_EQ(Converse(), "done");
}

TEST_F(SilentSchedulerTest, IsPassedOverWhileAnotherAnswers) {
  scheduler_.announce = std::ref(silence_);
  FakeScheduler other(calls_);
  other.announce = SendToSource;
  rpc::ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  auto server = rpc::Server::Start(options, {&other}, calls_);
  ASSERT_TRUE(server.ok()) << server.status();
  const SchedulerEndpoint answering{"other", "127.0.0.1",
                                    static_cast<std::uint16_t>((*server)->port()), 1};
  const SchedulerSet both({Live(), answering});
  std::string task;
  for (int i = 10000; task.empty() || both.Pick(TaskId(task))->port != port(); ++i) {
    task = StrCat(i, std::string(59, 'a'));
  }
  Run(Put(remembering_, both.endpoints()));
  EXPECT_THAT(Converse(task), HasSubstr("timed out"));
  EXPECT_EQ(Converse(task), "done");
  EXPECT_EQ(scheduler_.messages.size(), 1U);
  Run(impatient_.Stop());
  Run((*server)->Drain(Duration::zero()));
}

// Answers and then reads nothing until the gate opens.
struct SlowReader {
  Notifier gate;
  Awaitable<absl::Status> operator()(FakeScheduler& scheduler, AnnounceStream& stream) {
    (void)co_await stream.Read();
    pb::scheduler::AnnouncePeerResponse response;
    response.mutable_need_back_to_source_response();
    (void)co_await stream.Write(std::move(response));
    (void)co_await gate.WaitPast(0);
    while (auto message = co_await stream.Read()) {
      scheduler.messages.Add(*message);
      if (message->has_download_peer_back_to_source_finished_request()) break;
    }
    co_return absl::OkStatus();
  }
};

Awaitable<> ReportManyPieces(SchedulerClient& client, PeerIdentity peer, int count,
                             Notifier& gate) {
  DownloadRequest request;
  request.url = "http://origin/file";
  auto conversation = co_await client.AnnouncePeer(std::move(peer), std::move(request), {});
  if (!conversation.ok()) co_return;
  (void)co_await (*conversation)->Next();
  PieceFromSource piece;
  for (int i = 0; i < count; ++i) (*conversation)->Report(piece);
  (*conversation)->Report(PeerBackToSourceFinished{});
  gate.NotifyFromAnyThread();
  (void)co_await (*conversation)->Next();
}

TEST_F(SchedulersTest, TheFinalReportIsNeverLeftOut) {
  SlowReader reader{Notifier(handlers_.executor())};
  scheduler_.announce = std::ref(reader);
  Know({Live()});
  constexpr int kPieces = 50'000;
  Run(ReportManyPieces(client_, Peer(), kPieces, reader.gate));
  const auto messages = scheduler_.messages.all();
  EXPECT_LT(messages.size(), kPieces) << "all of them found room, so nothing was tested";
  ASSERT_FALSE(messages.empty());
  EXPECT_TRUE(messages.back().has_download_peer_back_to_source_finished_request());
}

Awaitable<absl::Status> ReportAndStay(SchedulerClient& client, PeerIdentity peer, Notifier& gate) {
  co_await ReportManyPieces(client, std::move(peer), 50'000, gate);
  co_return absl::OkStatus();
}

TEST_F(SchedulersTest, AConversationEndsThoughTheSchedulerNeverReads) {
  SlowReader reader{Notifier(handlers_.executor())};
  scheduler_.announce = std::ref(reader);
  SchedulerClientOptions options = ClientOptions();
  options.flush_timeout = milliseconds(50);
  GrpcSchedulerClient client(io_.executor(), options, channels_, directory_, announcer_);
  Know({Live()});
  Notifier nobody(io_.executor());
  EXPECT_THAT(Run(WithTimeout(ReportAndStay(client, Peer(), nobody), milliseconds(100), "report")),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(WaitFor([this] { return calls_.open() == 0; }));
  Run(client.Stop());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
