#include "dfdaemon/transfer/vortex_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

#include "common/base/strings.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "dfdaemon/storage/storage_test_util.h"
#include "dfdaemon/transfer/transfer_test_util.h"
#include "nlohmann/json.hpp"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kTask(64, 'a');

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// What a peer reads as the answer to one request.
struct Answer {
  VortexTag tag = VortexTag::kClose;
  std::uint32_t value_length = 0;
  VortexMetadata metadata;  // Texts point into head.
  VortexError error;
  std::string head;
  std::string content;
};

Answer ReadAnswer(RawSocket& socket) {
  Answer answer;
  answer.head = socket.Read(kVortexHeaderBytes);
  VortexHeader header;
  if (!ParseVortexHeader(AsBytes(answer.head), header)) return answer;
  answer.head += socket.Read(header.length);
  VortexFrame frame;
  EXPECT_EQ(VortexParser().ParseFrame(AsBytes(answer.head), frame).state,
            VortexParse::State::kDone);
  answer.tag = header.tag;
  answer.value_length = header.length;
  if (const auto* metadata = std::get_if<VortexMetadata>(&frame.value)) {
    answer.metadata = *metadata;
    answer.content = socket.Read(metadata->length);
  } else if (const auto* error = std::get_if<VortexError>(&frame.value)) {
    answer.error = *error;
  }
  return answer;
}

class VortexServerTest : public ::testing::Test {
 protected:
  ~VortexServerTest() override { Stop(); }

  void Start() {
    options_.ip = "127.0.0.1";
    options_.port = 0;
    server_ = std::make_unique<VortexServer>(options_, *storage_, limiter_, metrics_, Logger(),
                                             data_, disk_);
    ASSERT_THAT(server_->Start(), IsOk());
  }
  void Stop() {
    if (server_ != nullptr) RunCoro(data_, server_->Stop());
    server_.reset();
  }
  RawSocket Connect() { return RawSocket::Connect(server_->port()); }

  /// A task whose pieces are all there.
  std::shared_ptr<StoredTask> Store(const std::string& content, std::uint64_t piece_length,
                                    const std::string& id = kTask) {
    auto task = CreateTask(*storage_, id, piece_length, content.size());
    for (PieceNumber number = 0; number < task->piece_count(); ++number) {
      WritePiece(*task, number, content);
    }
    return task;
  }

  dfdaemon::TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Storage> storage_ = OpenStorage(dir_.path(), clock_);
  RateLimiter limiter_{0};
  CountingMetrics metrics_;
  VortexServerOptions options_;
  Runtime data_{"data", 2};
  BlockingPool disk_{1};
  std::unique_ptr<VortexServer> server_;
};

using nlohmann::json;

TaskKind KindOf(const std::string& name) {
  if (name == "persistent") return TaskKind::kPersistent;
  return name == "standard" ? TaskKind::kStandard : TaskKind::kPersistentCache;
}

// Creates the tasks that the exchanges need, each with room for all of its pieces.
void CreateRecordedTasks(Storage& storage, const json& exchanges) {
  std::map<std::pair<TaskKind, std::string>, TaskSpec> specs;
  for (const json& exchange : exchanges) {
    if (exchange["side"] != "server") continue;
    for (const json& piece : exchange["input"]["stored"]) {
      const TaskKind kind = KindOf(piece["kind"]);
      TaskSpec& spec = specs[{kind, piece["task_id"]}];
      const std::uint64_t length = piece["hex"].get<std::string>().size() / 2;
      spec.kind = kind;
      spec.id = TaskId(piece["task_id"].get<std::string>());
      spec.piece_length = std::max(spec.piece_length, length);
      spec.content_length =
          std::max(spec.content_length, piece["offset"].get<std::uint64_t>() + length);
    }
  }
  for (const auto& [key, spec] : specs) ASSERT_THAT(storage.Create(spec), IsOk());
}

void StoreRecordedPieces(Storage& storage, const json& stored) {
  for (const json& piece : stored) {
    const auto task =
        storage.Find(KindOf(piece["kind"]), TaskId(piece["task_id"].get<std::string>()));
    auto claim = task->ClaimPiece(piece["number"].get<PieceNumber>());
    ASSERT_THAT(claim, IsOk());
    ASSERT_THAT(claim->writer->Append(AsBytes(FromHex(piece["hex"]))), IsOk());
    ASSERT_THAT(claim->writer->Commit({}), IsOk());
  }
}

void ExpectAnswer(const Answer& answer, const json& expect) {
  ASSERT_EQ(static_cast<int>(answer.tag), expect["tag"].get<int>());
  if (answer.tag == VortexTag::kError) {
    EXPECT_EQ(static_cast<int>(answer.error.code), expect["code"].get<int>());
    EXPECT_EQ(answer.error.message, expect["message"].get<std::string>());
    return;
  }
  EXPECT_EQ(answer.value_length, expect["value_length"].get<std::uint32_t>());
  EXPECT_EQ(answer.metadata.number, expect["number"].get<std::uint32_t>());
  EXPECT_EQ(answer.metadata.offset, expect["offset"].get<std::uint64_t>());
  EXPECT_EQ(answer.metadata.length, expect["length"].get<std::uint64_t>());
  EXPECT_EQ(answer.metadata.digest, expect["digest"].get<std::string>());
  EXPECT_EQ(answer.metadata.parent_id, expect["parent_id"].get<std::string>());
  EXPECT_EQ(answer.metadata.traffic_type, expect["traffic_type"].get<int>());
  EXPECT_EQ(answer.metadata.cost_seconds, expect["cost_seconds"].get<std::uint64_t>());
  EXPECT_EQ(answer.content, FromHex(expect["content_hex"]));
}

TEST_F(VortexServerTest, AnswersRecordedRequestsLikeTheOriginal) {
  Start();
  std::ifstream file(TestDataFile("vortex-vectors.json"));
  const json exchanges = json::parse(file)["exchanges"];
  CreateRecordedTasks(*storage_, exchanges);
  int count = 0;
  for (const json& exchange : exchanges) {
    if (exchange["side"] != "server") continue;
    SCOPED_TRACE(exchange["n"].dump() + " " + exchange["name"].get<std::string>());
    ++count;
    const json& input = exchange["input"];
    StoreRecordedPieces(*storage_, input["stored"]);
    RawSocket peer = Connect();
    peer.Send(FromHex(input["request_hex"]));
    const bool half_close = input["half_close"];
    if (half_close) peer.EndSending();
    const int n = exchange["n"];
    if (n == 5) {
      // Kinds are apart here, so the piece is not found; the original finds its record and then
      // no content.
      EXPECT_EQ(ReadAnswer(peer).error.code, VortexErrorCode::kNotFound);
    } else if (!exchange["expect"]["answer"].is_null()) {
      ExpectAnswer(ReadAnswer(peer), exchange["expect"]["answer"]);
      // The second of two requests is answered too.
      if (n == 8) EXPECT_EQ(ReadAnswer(peer).metadata.number, 1U);
    }
    if (half_close) {
      EXPECT_TRUE(peer.AtEnd());
    } else if (exchange["expect"]["answer"].is_null()) {
      EXPECT_TRUE(peer.SilentFor(milliseconds(50)));
    }
  }
  EXPECT_EQ(count, 20);
}

TEST_F(VortexServerTest, ServesManyPiecesOnOneConnection) {
  Start();
  const std::string content = Content(100);
  Store(content, 30);
  RawSocket peer = Connect();
  for (const PieceNumber number : {2U, 0U, 3U}) {
    peer.Send(RequestBytes(TaskKind::kStandard, kTask, number));
    const Answer answer = ReadAnswer(peer);
    EXPECT_EQ(answer.metadata.number, number);
    EXPECT_EQ(answer.content, content.substr(number * 30, 30));
  }
  // More at once than the server's buffer holds.
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += RequestBytes(TaskKind::kStandard, kTask, 1);
  peer.Send(requests);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ReadAnswer(peer).content, content.substr(30, 30));
  EXPECT_EQ(server_->connections(), 1U);
  EXPECT_TRUE(WaitFor([&] { return metrics_.finished == 23; }));
}

TEST_F(VortexServerTest, TellsWhatIsKnownOfThePiece) {
  Start();
  const auto task = CreateTask(*storage_, kTask, 10, 10);
  auto claim = task->ClaimPiece(0);
  ASSERT_THAT(claim->writer->Append(AsBytes("0123456789")), IsOk());
  PieceRecord record;
  record.parent_id = PeerId("10.0.0.1-host-uuid");
  record.cost = milliseconds(2900);
  record.created_at = WallTime(seconds(1'767'225'600) + milliseconds(700));
  ASSERT_THAT(claim->writer->Commit(record), IsOk());
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  const Answer answer = ReadAnswer(peer);
  EXPECT_EQ(answer.metadata.parent_id, "10.0.0.1-host-uuid");
  EXPECT_EQ(answer.metadata.cost_seconds, 2U);
  EXPECT_EQ(answer.metadata.created_at_seconds, 1'767'225'600);
  EXPECT_EQ(answer.metadata.digest, FormatPieceDigest(Crc32(0, AsBytes("0123456789"))));
}

TEST_F(VortexServerTest, LeavesOutAParentIdThatIsNoId) {
  Start();
  const auto task = CreateTask(*storage_, kTask, 10, 10);
  auto claim = task->ClaimPiece(0);
  ASSERT_THAT(claim->writer->Append(AsBytes("0123456789")), IsOk());
  PieceRecord record;
  record.parent_id = PeerId(std::string(5000, 'p'));
  ASSERT_THAT(claim->writer->Commit(record), IsOk());
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  const Answer answer = ReadAnswer(peer);
  EXPECT_EQ(answer.metadata.parent_id, "");
  EXPECT_EQ(answer.content, "0123456789");
}

TEST_F(VortexServerTest, SendsTheWholePieceToAPeerThatEndedItsSide) {
  Start();
  const std::string content = Content(9 * kMiB + 17);
  Store(content, content.size());
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  peer.EndSending();
  EXPECT_TRUE(ReadAnswer(peer).content == content);
  EXPECT_TRUE(peer.AtEnd());
  EXPECT_TRUE(WaitFor([&] { return metrics_.finished == 1; }));
  EXPECT_EQ(metrics_.started, 1);
  EXPECT_EQ(metrics_.bytes_sent, content.size());
  EXPECT_EQ(metrics_.failed, 0);
}

TEST_F(VortexServerTest, SendsWhatIsNotInThePageCache) {
  Start();
  const std::string content = Content(6 * kMiB);
  const auto task = Store(content, 3 * kMiB);
  ASSERT_EQ(::fdatasync(task->content_fd()), 0);
  ASSERT_EQ(::posix_fadvise(task->content_fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 1));
  EXPECT_TRUE(ReadAnswer(peer).content == content.substr(3 * kMiB));
}

TEST_F(VortexServerTest, AnswersNotFoundAndGoesOn) {
  Start();
  Store(Content(10), 10);
  RawSocket peer = Connect();
  const std::string other(64, 'b');
  peer.Send(RequestBytes(TaskKind::kStandard, other, 5));
  const Answer answer = ReadAnswer(peer);
  EXPECT_EQ(answer.error.code, VortexErrorCode::kNotFound);
  EXPECT_EQ(answer.error.message, StrCat("piece ", other, "-5 not found"));
  peer.Send(RequestBytes(TaskKind::kPersistent, kTask, 0));
  EXPECT_EQ(ReadAnswer(peer).error.code, VortexErrorCode::kNotFound);
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_EQ(ReadAnswer(peer).content, Content(10));
  EXPECT_TRUE(WaitFor([&] { return metrics_.finished == 1; }));
  EXPECT_EQ(metrics_.started, 3);
  EXPECT_EQ(metrics_.failed, 2);
}

TEST_F(VortexServerTest, DoesNotServeATaskThatWasRemovedMeanwhile) {
  Start();
  Store(Content(10), 10);
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_EQ(ReadAnswer(peer).content, Content(10));
  ASSERT_THAT(storage_->Remove(TaskKind::kStandard, TaskId(kTask)), IsOk());
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_EQ(ReadAnswer(peer).error.code, VortexErrorCode::kNotFound);
}

TEST_F(VortexServerTest, DropsAPieceWhoseFileEndsTooEarly) {
  Start();
  // Not complete: nobody looks at the file before.
  const auto task = CreateTask(*storage_, kTask, 2 * kMiB, 3 * kMiB);
  WritePiece(*task, 0, Content(3 * kMiB));
  std::filesystem::resize_file(task->content_path(), kMiB);
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_LT(ReadAnswer(peer).content.size(), 2 * kMiB);
  EXPECT_TRUE(peer.AtEnd());
  EXPECT_TRUE(WaitFor([&] { return !task->HasPiece(0); }));
  EXPECT_TRUE(WaitFor([&] { return metrics_.failed == 1; }));
}

TEST_F(VortexServerTest, DoesNotServeAPieceThatSomebodyChanged) {
  Start();
  const std::string content = Content(300);
  const auto task = Store(content, 100);
  Overwrite(task->content_path(), 150, "!");
  std::filesystem::last_write_time(
      task->content_path(),
      std::filesystem::last_write_time(task->content_path()) + std::chrono::seconds(5));
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 1));
  EXPECT_EQ(ReadAnswer(peer).error.code, VortexErrorCode::kNotFound);
  EXPECT_FALSE(task->HasPiece(1));
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 2));
  EXPECT_EQ(ReadAnswer(peer).content, content.substr(200));
}

TEST_F(VortexServerTest, PinsATaskWhileItIsSent) {
  Start();
  const auto task = Store(Content(32 * kMiB), 32 * kMiB);
  {
    RawSocket peer = Connect();
    peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
    EXPECT_EQ(peer.Read(100).size(), 100U);
    EXPECT_TRUE(task->pinned());
  }
  EXPECT_TRUE(WaitFor([&] { return !task->pinned(); }));
}

TEST_F(VortexServerTest, LetsGoOfTheTaskOfAQuietConnection) {
  Start();
  const auto task = Store(Content(10), 10);
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_EQ(ReadAnswer(peer).content, Content(10));
  EXPECT_TRUE(WaitFor([&] { return !task->pinned(); }));
  EXPECT_EQ(server_->connections(), 1U);
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_EQ(ReadAnswer(peer).content, Content(10));
}

TEST_F(VortexServerTest, ClosesIdleConnections) {
  options_.idle_timeout = milliseconds(30);
  Start();
  Store(Content(10), 10);
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_EQ(ReadAnswer(peer).content, Content(10));
  EXPECT_TRUE(peer.AtEnd());
  EXPECT_TRUE(WaitFor([&] { return server_->connections() == 0; }));
}

TEST_F(VortexServerTest, ClosesAConnectionWhoseRequestDoesNotEnd) {
  options_.request_timeout = milliseconds(30);
  Start();
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0).substr(0, 70));
  EXPECT_TRUE(peer.AtEnd());
}

TEST_F(VortexServerTest, ClosesAPeerThatTakesNothing) {
  options_.send_timeout = milliseconds(30);
  Start();
  Store(Content(32 * kMiB), 32 * kMiB);
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_TRUE(WaitFor([&] { return metrics_.failed == 1 && server_->connections() == 0; }));
}

TEST_F(VortexServerTest, RefusesConnectionsAboveTheLimit) {
  options_.max_connections = 2;
  Start();
  Store(Content(10), 10);
  RawSocket first = Connect();
  RawSocket second = Connect();
  EXPECT_TRUE(WaitFor([&] { return server_->connections() == 2; }));
  RawSocket third = Connect();
  EXPECT_TRUE(third.AtEnd());
  first.Close();
  EXPECT_TRUE(WaitFor([&] { return server_->connections() == 1; }));
  RawSocket fourth = Connect();
  fourth.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_EQ(ReadAnswer(fourth).content, Content(10));
}

TEST_F(VortexServerTest, HoldsTheUploadLimitOverAllConnections) {
  constexpr std::uint64_t kRate = 16 * kMiB;
  limiter_.SetRate(kRate);
  Start();
  const std::string content = Content(8 * kMiB);
  Store(content, 2 * kMiB);
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> peers;
  for (PieceNumber number = 0; number < 4; ++number) {
    peers.emplace_back([&, number] {
      RawSocket peer = Connect();
      peer.Send(RequestBytes(TaskKind::kStandard, kTask, number));
      EXPECT_TRUE(ReadAnswer(peer).content == content.substr(number * 2 * kMiB, 2 * kMiB));
    });
  }
  for (std::thread& peer : peers) peer.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double expected = static_cast<double>(content.size()) / static_cast<double>(kRate);
  EXPECT_GT(took.count(), expected * 0.85);  // The burst of 50 ms may pass at once.
}

TEST_F(VortexServerTest, StopsInTheMiddleOfAPiece) {
  Start();
  const auto task = Store(Content(32 * kMiB), 32 * kMiB);
  RawSocket peer = Connect();
  peer.Send(RequestBytes(TaskKind::kStandard, kTask, 0));
  EXPECT_EQ(peer.Read(100).size(), 100U);
  RunCoro(data_, server_->Stop());
  EXPECT_EQ(server_->connections(), 0U);
  EXPECT_FALSE(task->pinned());
  EXPECT_EQ(metrics_.failed, 1);
}

TEST_F(VortexServerTest, SaysWhyItCannotListen) {
  Start();
  options_.port = server_->port();
  VortexServer second(options_, *storage_, limiter_, metrics_, Logger(), data_, disk_);
  EXPECT_THAT(second.Start(),
              StatusIs(absl::StatusCode::kUnavailable, StrCat("127.0.0.1 port ", options_.port)));
  options_.ip = "localhost";
  VortexServer third(options_, *storage_, limiter_, metrics_, Logger(), data_, disk_);
  EXPECT_THAT(third.Start(), StatusIs(absl::StatusCode::kInvalidArgument, "localhost"));
}

/// A piece of 1 MiB that the test brings bit by bit.
class ComingPieceTest : public VortexServerTest {
 protected:
  ComingPieceTest() {
    task_ = CreateTask(*storage_, kTask, kMiB, 2 * kMiB);
    auto claim = task_->ClaimPiece(1);
    EXPECT_THAT(claim, IsOk());
    writer_ = std::move(claim->writer);
    writer_->PassOn(Crc32(0, AsBytes(content_)), PeerId("parent"));
    Start();
  }
  void Bring(std::size_t bytes) {
    ASSERT_THAT(writer_->Append(AsBytes(content_).subspan(writer_->written(), bytes)), IsOk());
  }
  /// Asks for the piece and reads the head of the answer.
  VortexMetadata Ask(RawSocket& socket) {
    EXPECT_TRUE(socket.Send(RequestBytes(TaskKind::kStandard, kTask, 1)));
    head_ = socket.Read(kVortexHeaderBytes);
    VortexHeader header;
    EXPECT_TRUE(ParseVortexHeader(AsBytes(head_), header));
    EXPECT_EQ(header.tag, VortexTag::kPieceContent);
    head_ += socket.Read(header.length);
    VortexFrame frame;
    EXPECT_EQ(VortexParser().ParseFrame(AsBytes(head_), frame).state, VortexParse::State::kDone);
    const auto* metadata = std::get_if<VortexMetadata>(&frame.value);
    return metadata != nullptr ? *metadata : VortexMetadata();
  }

  const std::string content_ = Content(kMiB);
  std::shared_ptr<StoredTask> task_;
  std::unique_ptr<PieceWriter> writer_;
  std::string head_;
};

TEST_F(ComingPieceTest, IsSentAsItComesAndItsEndOnlyOnceItIsChecked) {
  constexpr std::size_t kFirst = 600 * kKiB;
  constexpr std::size_t kAllBut = kMiB - 64 * kKiB;
  Bring(kFirst);
  RawSocket peer = Connect();
  const VortexMetadata metadata = Ask(peer);
  EXPECT_EQ(metadata.number, 1U);
  EXPECT_EQ(metadata.offset, kMiB);
  EXPECT_EQ(metadata.length, kMiB);
  std::string got = peer.Read(kFirst);
  EXPECT_EQ(got.size(), kFirst);
  EXPECT_TRUE(peer.SilentFor(milliseconds(50)));
  Bring(kMiB - kFirst);
  got += peer.Read(kAllBut - kFirst);
  EXPECT_EQ(got.size(), kAllBut);
  EXPECT_TRUE(peer.SilentFor(milliseconds(50))) << "nobody has compared the checksum yet";
  ASSERT_THAT(writer_->Commit({}, Crc32(0, AsBytes(content_))), IsOk());
  got += peer.Read(kMiB - kAllBut);
  EXPECT_TRUE(got == content_);
  EXPECT_TRUE(WaitFor([&] { return metrics_.finished == 1; }));
}

TEST_F(ComingPieceTest, BreaksOffWhenItIsLost) {
  Bring(kMiB);
  RawSocket peer = Connect();
  Ask(peer);
  EXPECT_EQ(peer.Read(kMiB - 64 * kKiB).size(), kMiB - 64 * kKiB);
  writer_.reset();
  EXPECT_EQ(peer.ReadToEnd(), "") << "a whole piece that was never checked";
  EXPECT_TRUE(WaitFor([&] { return metrics_.failed == 1; }));
}

TEST_F(ComingPieceTest, IsNotFoundWhenItIsLostBeforeAnythingCame) {
  RawSocket peer = Connect();
  ASSERT_TRUE(peer.Send(RequestBytes(TaskKind::kStandard, kTask, 1)));
  EXPECT_TRUE(WaitFor([&] { return metrics_.started == 1; }));
  EXPECT_TRUE(peer.SilentFor(milliseconds(20)));
  writer_.reset();
  const Answer answer = ReadAnswer(peer);
  EXPECT_EQ(answer.tag, VortexTag::kError);
  EXPECT_EQ(answer.error.code, VortexErrorCode::kNotFound);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
