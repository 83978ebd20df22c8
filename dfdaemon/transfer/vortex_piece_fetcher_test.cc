#include "dfdaemon/transfer/vortex_piece_fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <netinet/tcp.h>

#include <chrono>
#include <filesystem>
#include <future>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/blocking_pool.h"
#include "common/async/task_group.h"
#include "common/base/strings.h"
#include "common/log/logger.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"
#include "dfdaemon/storage/storage_test_util.h"
#include "dfdaemon/transfer/transfer_test_util.h"
#include "dfdaemon/transfer/vortex_server.h"

namespace dragonfly::dfdaemon {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;

const TaskId kTask(std::string(64, 'a'));
// The piece of most tests: number 2, at 20.
const std::string kBytes = "123456789";

VortexMetadata Planned() {
  VortexMetadata metadata;
  metadata.number = 2;
  metadata.offset = 20;
  metadata.length = kBytes.size();
  metadata.digest = "crc32:3421780262";
  metadata.parent_id = "grandparent";
  metadata.created_at_seconds = 1'700'000'000;
  return metadata;
}

class VortexPieceFetcherTest : public ::testing::Test {
 protected:
  ~VortexPieceFetcherTest() override {
    if (fetcher_ != nullptr) RunCoro(data_, fetcher_->Stop());
  }

  VortexPieceFetcher& fetcher() {
    if (fetcher_ == nullptr) {
      fetcher_ = std::make_unique<VortexPieceFetcher>(options_, limiter_, metrics_, data_);
    }
    return *fetcher_;
  }
  absl::StatusOr<FetchedPiece> Fetch(std::uint16_t port, PieceWriter& writer,
                                     TaskKind kind = TaskKind::kStandard) {
    WriterSink sink(writer);
    return RunCoro(data_, fetcher().Fetch({"127.0.0.1", port}, kind, kTask, sink));
  }
  /// Fetches the piece from a parent that says `answer` to the first request and then closes.
  absl::StatusOr<FetchedPiece> FetchFrom(const std::string& answer) {
    FakeParent parent([&](RawSocket& socket, int) {
      socket.Read(kVortexRequestBytes);
      socket.Send(answer);
    });
    writer_.Restart();
    return Fetch(parent.port(), writer_);
  }

  RateLimiter limiter_{0};
  CountingMetrics metrics_;
  VortexFetcherOptions options_;
  // Outlives data_, whose threads let go of its executor only after they have answered.
  Runtime elsewhere_{"elsewhere", 1};
  Runtime data_{"data", 2};
  MemoryPieceWriter writer_{2, 20, 9};
  WriterSink sink_{writer_};
  std::unique_ptr<VortexPieceFetcher> fetcher_;
};

TEST_F(VortexPieceFetcherTest, FillsTheWriter) {
  std::string request;
  FakeParent parent([&](RawSocket& socket, int) {
    request = socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes);
  });
  const auto piece = Fetch(parent.port(), writer_);
  ASSERT_THAT(piece, IsOk());
  EXPECT_EQ(writer_.bytes, kBytes);
  EXPECT_EQ(piece->crc32, 3421780262U);
  EXPECT_TRUE(piece->verified);
  EXPECT_EQ(piece->parents_parent_id, PeerId("grandparent"));
  EXPECT_EQ(metrics_.received, 1);
  EXPECT_EQ(metrics_.bytes_received, kBytes.size());
  // All but the id byte, which is arbitrary.
  EXPECT_EQ(request.substr(1), RequestBytes(TaskKind::kStandard, kTask.str(), 2).substr(1));
}

TEST_F(VortexPieceFetcherTest, ReadsAnswersWhoseHeaderCountsThePieceToo) {
  std::string answer = ContentHead(Planned()) + kBytes;
  StoreBigEndian(static_cast<std::uint32_t>(answer.size() - kVortexHeaderBytes),
                 reinterpret_cast<std::byte*>(answer.data()) + 2);
  EXPECT_THAT(FetchFrom(answer), IsOk());
}

TEST_F(VortexPieceFetcherTest, AcceptsAPieceWithoutDigestAsUnverified) {
  VortexMetadata metadata = Planned();
  metadata.digest = "";
  const auto piece = FetchFrom(ContentHead(metadata) + kBytes);
  ASSERT_THAT(piece, IsOk());
  EXPECT_FALSE(piece->verified);
  EXPECT_EQ(writer_.bytes, kBytes);
}

TEST_F(VortexPieceFetcherTest, CallsWhatContradictsThePlanDataLoss) {
  VortexMetadata metadata = Planned();
  metadata.number = 3;
  EXPECT_THAT(FetchFrom(ContentHead(metadata) + kBytes), StatusIs(StatusCode::kDataLoss));
  metadata = Planned();
  metadata.offset = 0;
  EXPECT_THAT(FetchFrom(ContentHead(metadata) + kBytes), StatusIs(StatusCode::kDataLoss));
  metadata = Planned();
  metadata.length = std::uint64_t{1} << 63U;
  EXPECT_THAT(FetchFrom(ContentHead(metadata) + kBytes), StatusIs(StatusCode::kDataLoss));
  metadata = Planned();
  metadata.digest = "crc32:1";
  EXPECT_THAT(FetchFrom(ContentHead(metadata) + kBytes), StatusIs(StatusCode::kDataLoss, "crc32"));
  metadata.digest = "md5:25f9e794323b453885f5181f1b624d0b";
  EXPECT_THAT(FetchFrom(ContentHead(metadata) + kBytes), StatusIs(StatusCode::kDataLoss));
  // Right digest, wrong bytes.
  EXPECT_THAT(FetchFrom(ContentHead(Planned()) + "123456780"), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(FetchFrom(ContentHead(Planned(), VortexTag::kPersistentPieceContent) + kBytes),
              StatusIs(StatusCode::kDataLoss, "tag"));
  EXPECT_THAT(FetchFrom("HTTP/1.1 400 Bad Request\r\n\r\n"), StatusIs(StatusCode::kDataLoss));
  EXPECT_EQ(metrics_.received, 0);
}

TEST_F(VortexPieceFetcherTest, RefusesEndlessMetadata) {
  const std::string header = ContentHead(Planned()).substr(0, kVortexHeaderBytes);
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(header + "\xff\xff\xff\xff");
    while (socket.Send(std::string(4096, 'x'))) {
    }
  });
  EXPECT_THAT(Fetch(parent.port(), writer_), StatusIs(StatusCode::kDataLoss, "too long"));
  VortexMetadata metadata = Planned();
  const std::string long_id(70'000, 'p');
  metadata.parent_id = long_id;
  EXPECT_THAT(FetchFrom(ContentHead(metadata) + kBytes),
              StatusIs(StatusCode::kDataLoss, "too long"));
}

TEST_F(VortexPieceFetcherTest, CallsAnEndAtAnyByteUnavailable) {
  const std::string answer = ContentHead(Planned()) + kBytes;
  for (std::size_t cut = 0; cut < answer.size(); ++cut) {
    EXPECT_THAT(FetchFrom(answer.substr(0, cut)), StatusIs(StatusCode::kUnavailable)) << cut;
  }
  EXPECT_THAT(FetchFrom(answer), IsOk());
}

// Of a piece that is passed on while it comes, the time when it was created is not known.
TEST_F(VortexPieceFetcherTest, CallsTheEndOfAPieceThatWasOnlyComingNotFound) {
  VortexMetadata metadata = Planned();
  metadata.created_at_seconds = 0;
  const std::string head = ContentHead(metadata);
  EXPECT_THAT(FetchFrom(head + kBytes.substr(0, 4)),
              StatusIs(StatusCode::kNotFound, "stopped coming"));
  EXPECT_THAT(FetchFrom(head.substr(0, head.size() - 1)), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(FetchFrom(head + kBytes), IsOk());
}

TEST_F(VortexPieceFetcherTest, ReadsAnswersThatComeByteByByte) {
  const std::string answer = ContentHead(Planned()) + kBytes;
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    const int on = 1;
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (const char byte : answer) socket.Send(std::string(1, byte));
  });
  EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_EQ(writer_.bytes, kBytes);
}

TEST_F(VortexPieceFetcherTest, TellsErrorsOfTheParentApart) {
  EXPECT_THAT(FetchFrom(ErrorBytes(VortexErrorCode::kNotFound, "piece x not found")),
              StatusIs(StatusCode::kNotFound, "piece x not found"));
  EXPECT_THAT(FetchFrom(ErrorBytes(VortexErrorCode::kInternal, "disk")),
              StatusIs(StatusCode::kUnavailable, "disk"));
  EXPECT_THAT(FetchFrom(ErrorBytes(static_cast<VortexErrorCode>(99), "odd")),
              StatusIs(StatusCode::kUnavailable, "odd"));
  EXPECT_THAT(FetchFrom(std::string("\x01\xff\x00\x00\x00\x00", 6)),
              StatusIs(StatusCode::kDataLoss));
}

TEST_F(VortexPieceFetcherTest, SaysThatItCannotConnect) {
  std::uint16_t port = 0;
  {
    port = FakeParent([](RawSocket&, int) {}).port();
  }
  EXPECT_THAT(Fetch(port, writer_), StatusIs(StatusCode::kUnavailable, "connect to parent"));
  EXPECT_THAT(
      RunCoro(data_, fetcher().Fetch({"parent.example", 4005}, TaskKind::kStandard, kTask, sink_)),
      StatusIs(StatusCode::kInvalidArgument, "parent.example"));
}

TEST_F(VortexPieceFetcherTest, RefusesTaskIdsThatDoNotFitARequest) {
  EXPECT_THAT(RunCoro(data_, fetcher().Fetch({"127.0.0.1", 1}, TaskKind::kStandard,
                                             TaskId(std::string(128, 'a')), sink_)),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(VortexPieceFetcherTest, EndsAfterThePieceTimeoutWithoutMetadata) {
  options_.piece_timeout = milliseconds(40);
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()).substr(0, 30));
    socket.ReadToEnd();
  });
  EXPECT_THAT(Fetch(parent.port(), writer_), StatusIs(StatusCode::kDeadlineExceeded));
}

TEST_F(VortexPieceFetcherTest, EndsAfterTheWriteTimeoutWhenThePieceDrips) {
  options_.write_timeout = milliseconds(60);
  options_.low_water_bytes = 1;
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    VortexMetadata metadata;
    metadata.length = 4 * kMiB;
    socket.Send(ContentHead(metadata));
    // Steady, and far too slow.
    while (socket.Send("x") && socket.SilentFor(milliseconds(5))) {
    }
  });
  MemoryPieceWriter writer(0, 0, 4 * kMiB);
  EXPECT_THAT(Fetch(parent.port(), writer), StatusIs(StatusCode::kDeadlineExceeded));
}

TEST_F(VortexPieceFetcherTest, PassesOnErrorsOfTheDisk) {
  writer_.fail_with = absl::ResourceExhaustedError("no space left");
  EXPECT_THAT(FetchFrom(ContentHead(Planned()) + kBytes),
              StatusIs(StatusCode::kResourceExhausted, "no space left"));
}

TEST_F(VortexPieceFetcherTest, BeginsAWriterThatHasBytesAgain) {
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes);
  });
  writer_.bytes = "half";
  EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_EQ(writer_.bytes, kBytes);
}

TEST_F(VortexPieceFetcherTest, AsksManyTimesOnAConnectionThatStaysOpen) {
  FakeParent parent([&](RawSocket& socket, int) {
    while (socket.Read(kVortexRequestBytes).size() == kVortexRequestBytes) {
      socket.Send(ContentHead(Planned()) + kBytes);
    }
  });
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_EQ(parent.connections(), 1);
}

TEST_F(VortexPieceFetcherTest, KeepsTheConnectionAfterNotFound) {
  FakeParent parent([&](RawSocket& socket, int) {
    while (socket.Read(kVortexRequestBytes).size() == kVortexRequestBytes) {
      socket.Send(ErrorBytes(VortexErrorCode::kNotFound, "no"));
    }
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Fetch(parent.port(), writer_), StatusIs(StatusCode::kNotFound));
  }
  EXPECT_EQ(parent.connections(), 1);
}

TEST_F(VortexPieceFetcherTest, WorksWithParentsThatCloseAfterOneRequest) {
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes);
  });
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Fetch(parent.port(), writer_), IsOk()) << i;
  EXPECT_EQ(parent.connections(), 20);
}

TEST_F(VortexPieceFetcherTest, AsksOnceMoreWhenAKeptConnectionEndsBeforeItsAnswer) {
  FakeParent parent([&](RawSocket& socket, int connection) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes);
    // The first one is closed on the next request, as if it had been idle for too long.
    if (connection == 0) socket.Read(kVortexRequestBytes);
  });
  EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_EQ(parent.connections(), 2);
}

TEST_F(VortexPieceFetcherTest, DoesNotAskAgainOnceAnAnswerBegan) {
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes);
    socket.Read(kVortexRequestBytes);
    socket.Send("\x01");
  });
  EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_THAT(Fetch(parent.port(), writer_), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(parent.connections(), 1);
}

TEST_F(VortexPieceFetcherTest, DoesNotKeepAConnectionWithBytesThatNobodyAskedFor) {
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes + "more");
    socket.ReadToEnd();
  });
  EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_EQ(writer_.bytes, kBytes);
  EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_EQ(parent.connections(), 2);
}

TEST_F(VortexPieceFetcherTest, ClosesConnectionsThatNobodyUses) {
  options_.idle_timeout = milliseconds(1);
  std::atomic<bool> closed{false};
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes);
    closed = socket.AtEnd();
  });
  EXPECT_THAT(Fetch(parent.port(), writer_), IsOk());
  EXPECT_TRUE(WaitFor([&] { return closed.load(); }));
}

TEST_F(VortexPieceFetcherTest, APieceThatComesFromElsewhereIsNotReceived) {
  class Refusing final : public PieceSink {
   public:
    [[nodiscard]] PieceNumber number() const override { return 2; }
    [[nodiscard]] std::uint64_t offset() const override { return 20; }
    [[nodiscard]] std::uint64_t length() const override { return 9; }
    PieceWriter* Begin(std::optional<std::uint32_t>) override { return nullptr; }
  };
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes);
  });
  Refusing sink;
  EXPECT_THAT(RunCoro(data_, fetcher().Fetch({"127.0.0.1", parent.port()}, TaskKind::kStandard,
                                             kTask, sink)),
              StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(metrics_.received, 0);
}

TEST_F(VortexPieceFetcherTest, CanBeCancelledWhileItWaits) {
  std::atomic<bool> asked{false};
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    asked = true;
    socket.ReadToEnd();
  });
  TaskGroup group(data_.executor());
  auto fetch = [](VortexPieceFetcher& with, std::uint16_t port, PieceSink& sink) -> Awaitable<> {
    (void)co_await with.Fetch({"127.0.0.1", port}, TaskKind::kStandard, kTask, sink);
  };
  group.Spawn(fetch(fetcher(), parent.port(), sink_));
  EXPECT_TRUE(WaitFor([&] { return asked.load(); }));
  RunCoro(data_, group.Stop());
  EXPECT_EQ(group.running(), 0U);
}

TEST_F(VortexPieceFetcherTest, MayBeCalledFromElsewhere) {
  FakeParent parent([&](RawSocket& socket, int) {
    socket.Read(kVortexRequestBytes);
    socket.Send(ContentHead(Planned()) + kBytes);
  });
  EXPECT_THAT(RunCoro(elsewhere_, fetcher().Fetch({"127.0.0.1", parent.port()}, TaskKind::kStandard,
                                                  kTask, sink_)),
              IsOk());
}

/// A fetcher and a real server of a second node.
class VortexTransferTest : public VortexPieceFetcherTest {
 protected:
  ~VortexTransferTest() override {
    if (server_ != nullptr) RunCoro(data_, server_->Stop());
  }
  void StartServer() {
    (void)fetcher();  // Later calls come from several threads.
    server_options_.port = 0;
    server_ = std::make_unique<VortexServer>(server_options_, *parent_, upload_, parent_metrics_,
                                             Logger(), data_, disk_);
    const absl::Status started = server_->Start();
    if (server_options_.ip == "::1" && absl::IsUnavailable(started)) return server_.reset();
    ASSERT_THAT(started, IsOk());
  }
  std::shared_ptr<StoredTask> StoreAtParent(const std::string& content, std::uint64_t piece_length,
                                            TaskKind kind = TaskKind::kStandard) {
    TaskSpec spec = Spec(kTask.str(), piece_length, content.size());
    spec.kind = kind;
    auto task = *parent_->Create(spec);
    for (PieceNumber number = 0; number < task->piece_count(); ++number) {
      WritePiece(*task, number, content);
    }
    return task;
  }
  std::shared_ptr<StoredTask> CreateAtChild(const StoredTask& original) {
    return *child_->Create(original.spec());
  }
  Awaitable<absl::Status> FetchAndCommit(StoredTask& task, PieceNumber number) {
    auto claim = task.ClaimPiece(number);
    if (!claim.ok()) co_return claim.status();
    WriterSink sink(*claim->writer);
    auto piece = co_await fetcher().Fetch({server_options_.ip, server_->port()}, task.spec().kind,
                                          kTask, sink);
    if (!piece.ok()) co_return piece.status();
    co_return claim->writer->Commit({}, piece->crc32);
  }

  dfdaemon::TempDir parent_dir_, child_dir_;
  ManualClock clock_;
  std::unique_ptr<Storage> parent_ = OpenStorage(parent_dir_.path(), clock_);
  std::unique_ptr<Storage> child_ = OpenStorage(child_dir_.path(), clock_);
  RateLimiter upload_{0};
  CountingMetrics parent_metrics_;
  BlockingPool disk_{1};
  VortexServerOptions server_options_{.ip = "127.0.0.1"};
  std::unique_ptr<VortexServer> server_;
};

TEST_F(VortexTransferTest, CopiesTasksOfEveryKind) {
  StartServer();
  const std::string content = Content(3 * kMiB + 5);
  for (const TaskKind kind :
       {TaskKind::kStandard, TaskKind::kPersistent, TaskKind::kPersistentCache}) {
    const auto original = StoreAtParent(content, kMiB, kind);
    const auto copy = CreateAtChild(*original);
    for (PieceNumber number = 0; number < copy->piece_count(); ++number) {
      ASSERT_THAT(RunCoro(data_, FetchAndCommit(*copy, number)), IsOk());
    }
    EXPECT_TRUE(copy->complete());
    EXPECT_TRUE(ReadFile(copy->content_path()) == content);
  }
  EXPECT_EQ(server_->connections(), 1U);
  EXPECT_EQ(metrics_.bytes_received, 3 * content.size());
  EXPECT_TRUE(WaitFor([&] { return parent_metrics_.bytes_sent == 3 * content.size(); }));
}

TEST_F(VortexTransferTest, FetchesEightPiecesAtATime) {
  StartServer();
  const std::string content = Content(24 * kMiB);
  const auto original = StoreAtParent(content, kMiB);
  const auto copy = CreateAtChild(*original);
  for (PieceNumber first = 0; first < copy->piece_count(); first += 8) {
    std::vector<std::future<absl::Status>> running;
    for (PieceNumber number = first; number < first + 8; ++number) {
      running.push_back(
          asio::co_spawn(data_.Next(), FetchAndCommit(*copy, number), asio::use_future));
    }
    for (auto& fetch : running) EXPECT_THAT(fetch.get(), IsOk());
  }
  EXPECT_TRUE(copy->complete());
  EXPECT_TRUE(ReadFile(copy->content_path()) == content);
  EXPECT_LE(server_->connections(), 8U);
}

TEST_F(VortexTransferTest, MovesMuchAtATimeThroughOneBuffer) {
  StartServer();
  const auto original = StoreAtParent(Content(8 * kMiB), 8 * kMiB);
  MemoryPieceWriter writer(0, 0, 8 * kMiB);
  EXPECT_THAT(Fetch(server_->port(), writer), IsOk());
  EXPECT_GE(writer.largest_append, options_.low_water_bytes);
  EXPECT_LE(writer.largest_append, options_.buffer_bytes);
}

TEST_F(VortexTransferTest, HoldsTheDownloadLimitOverAllPieces) {
  constexpr std::uint64_t kRate = 16 * kMiB;
  limiter_.SetRate(kRate);
  StartServer();
  const std::string content = Content(8 * kMiB);
  const auto original = StoreAtParent(content, 2 * kMiB);
  const auto copy = CreateAtChild(*original);
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::future<absl::Status>> running;
  for (PieceNumber number = 0; number < 4; ++number) {
    running.push_back(
        asio::co_spawn(data_.Next(), FetchAndCommit(*copy, number), asio::use_future));
  }
  for (auto& fetch : running) EXPECT_THAT(fetch.get(), IsOk());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double expected = static_cast<double>(content.size()) / static_cast<double>(kRate);
  EXPECT_GT(took.count(), expected * 0.85);  // The burst of 50 ms may pass at once.
}

TEST_F(VortexTransferTest, TheLimiterDoesNotUseUpTheWriteTimeout) {
  limiter_.SetRate(4 * kMiB);
  options_.write_timeout = milliseconds(100);
  StartServer();
  const auto original = StoreAtParent(Content(2 * kMiB), 2 * kMiB);
  MemoryPieceWriter writer(0, 0, 2 * kMiB);
  EXPECT_THAT(Fetch(server_->port(), writer), IsOk());
}

TEST_F(VortexTransferTest, DoesNotStallOnASocketBufferBelowTheLowWater) {
  options_.receive_buffer_bytes = 8 * kKiB;
  server_options_.send_buffer_bytes = 8 * kKiB;
  StartServer();
  const std::string content = Content(2 * kMiB + 3);
  const auto original = StoreAtParent(content, content.size());
  const auto copy = CreateAtChild(*original);
  EXPECT_THAT(RunCoro(data_, FetchAndCommit(*copy, 0)), IsOk());
  EXPECT_TRUE(ReadFile(copy->content_path()) == content);
}

TEST_F(VortexTransferTest, WorksWithFastOpen) {
  options_.tcp_fastopen = true;
  options_.max_idle_per_parent = 0;  // A new connection for every piece.
  server_options_.tcp_fastopen = true;
  StartServer();
  const auto original = StoreAtParent(Content(40), 10);
  const auto copy = CreateAtChild(*original);
  for (PieceNumber number = 0; number < 4; ++number) {
    EXPECT_THAT(RunCoro(data_, FetchAndCommit(*copy, number)), IsOk());
  }
  EXPECT_EQ(ReadFile(copy->content_path()), Content(40));
}

TEST_F(VortexTransferTest, WorksOverIpv6) {
  server_options_.ip = "::1";
  StartServer();
  if (server_ == nullptr) GTEST_SKIP() << "no IPv6 on this machine";
  const auto original = StoreAtParent(Content(10), 10);
  const auto copy = CreateAtChild(*original);
  EXPECT_THAT(RunCoro(data_, FetchAndCommit(*copy, 0)), IsOk());
}

TEST_F(VortexTransferTest, NoticesBytesThatChangedOnTheParentsDisk) {
  StartServer();
  const auto original = StoreAtParent(Content(100), 100);
  const std::filesystem::path path = original->content_path();
  const auto time = std::filesystem::last_write_time(path);
  Overwrite(path, 50, "wrong");
  // Without a trace, as when a disk fails.
  std::filesystem::last_write_time(path, time);
  MemoryPieceWriter writer(0, 0, 100);
  EXPECT_THAT(Fetch(server_->port(), writer), StatusIs(StatusCode::kDataLoss, "crc32"));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
