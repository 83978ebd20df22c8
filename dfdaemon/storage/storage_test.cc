#include "dfdaemon/storage/storage.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "common/sqlite/sqlite.h"
#include "dfdaemon/storage/storage_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class StorageTest : public ::testing::Test {
 protected:
  std::unique_ptr<Storage> Open(bool keep = true, std::uint64_t threshold = 0) {
    return OpenStorage(dir_.path(), clock_, keep, threshold);
  }
  /// Opening finds nothing that can be used, and says why.
  void ExpectEmptyAfterWarning(const std::string& reason) {
    std::vector<std::string> warnings;
    const auto storage = Storage::Open(
        {.dir = dir_.path(), .keep = true, .warn = [&](const auto& w) { warnings.push_back(w); }},
        clock_);
    ASSERT_TRUE(storage.ok()) << storage.status();
    EXPECT_THAT((*storage)->List(), IsEmpty());
    EXPECT_THAT(warnings, ElementsAre(HasSubstr(reason)));
  }

  TempDir dir_;
  ManualClock clock_;
};

TEST_F(StorageTest, RefusesIdsThatAreNotFileNames) {
  const auto storage = Open();
  for (const char* id : {"", "../../etc/passwd", "ABC", "xyz", "a/b", "."}) {
    const auto task = storage->Create(Spec(id, 4, 10));
    EXPECT_EQ(task.status().code(), absl::StatusCode::kInvalidArgument) << id;
  }
  EXPECT_EQ(storage->Create(Spec(std::string(129, 'a'), 4, 10)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(storage->Create(Spec(std::string(128, 'a'), 4, 10)).ok());
}

TEST_F(StorageTest, RefusesTooManyPieces) {
  const auto storage = Open();
  EXPECT_EQ(storage->Create(Spec("abc", 1, (1U << 24U) + 1)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(storage->Create(Spec("abc", 0, 1)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StorageTest, RefusesContentThatCannotFit) {
  const auto storage = Open(true, 1000);
  EXPECT_TRUE(storage->Create(Spec("aaa", 100, 600)).ok());
  const auto second = storage->Create(Spec("bbb", 100, 600));
  EXPECT_EQ(second.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("no space left"));
  EXPECT_EQ(storage->Usage()->available, 400U);
  ASSERT_TRUE(storage->Remove(TaskKind::kStandard, TaskId("aaa")).ok());
  EXPECT_EQ(storage->Usage()->used, 0U);
  EXPECT_TRUE(storage->Create(Spec("bbb", 100, 600)).ok());

  const auto huge = storage->Create(Spec("ccc", 64 * kMiB, std::uint64_t{1} << 49U));
  EXPECT_EQ(huge.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(StorageTest, RefusesASecondOpenOfTheDirectory) {
  const auto storage = Open();
  const auto second = Storage::Open({.dir = dir_.path(), .keep = true}, clock_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(dir_.path()));
}

TEST_F(StorageTest, NamesTheDirectoryThatCannotBeCreated) {
  const std::string file = dir_.path() + "/file";
  std::ofstream(file) << "x";
  const auto storage = Storage::Open({.dir = file + "/below"}, clock_);
  ASSERT_FALSE(storage.ok());
  EXPECT_THAT(std::string(storage.status().message()), HasSubstr(file));
}

TEST_F(StorageTest, KeepsByteNOfTheContentAtByteNOfTheFile) {
  const auto storage = Open();
  const std::string content = Content(25);
  const auto task = CreateTask(*storage, "0123456789abcdef", 10, content.size());
  WritePiece(*task, 2, content);
  WritePiece(*task, 0, content);
  WritePiece(*task, 1, content);
  EXPECT_EQ(task->content_path(), dir_.path() + "/content/tasks/012/0123456789abcdef");
  EXPECT_EQ(ReadFile(task->content_path()), content);
  EXPECT_TRUE(task->complete());
}

TEST_F(StorageTest, HasAFolderForEveryKind) {
  const auto storage = Open();
  TaskSpec spec = Spec("abcd", 10, 10);
  spec.kind = TaskKind::kPersistent;
  EXPECT_EQ((*storage->Create(spec))->content_path(),
            dir_.path() + "/content/persistent-tasks/abc/abcd");
  spec.kind = TaskKind::kPersistentCache;
  EXPECT_EQ((*storage->Create(spec))->content_path(),
            dir_.path() + "/content/persistent-cache-tasks/abc/abcd");
  EXPECT_EQ(storage->Find(TaskKind::kStandard, TaskId("abcd")), nullptr);
}

TEST_F(StorageTest, DoesNotPublishAPieceWithWrongBytes) {
  const auto storage = Open();
  const auto task = CreateTask(*storage, "abc", 10, 25);
  auto claim = task->ClaimPiece(0);
  ASSERT_TRUE(claim.ok());
  PieceWriter& writer = *claim->writer;
  EXPECT_EQ(writer.Commit({}).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(writer.Append(AsBytes("0123456789")).ok());
  EXPECT_EQ(writer.Append(AsBytes("x")).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(writer.Commit({}, writer.crc32() + 1).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(task->HasPiece(0));

  writer.Restart();
  ASSERT_TRUE(writer.Append(AsBytes("abcde")).ok());
  ASSERT_TRUE(writer.Append(AsBytes("fghij")).ok());
  EXPECT_EQ(writer.crc32(), Crc32(0, AsBytes("abcdefghij")));
  ASSERT_TRUE(writer.Commit({}, Crc32(0, AsBytes("abcdefghij"))).ok());
  EXPECT_TRUE(task->HasPiece(0));
  EXPECT_EQ(writer.Commit({}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StorageTest, RemembersWhatIsKnownOfAPiece) {
  const auto storage = Open();
  const std::string content = Content(25);
  const auto task = CreateTask(*storage, "abc", 10, 25);
  auto claim = task->ClaimPiece(2);
  ASSERT_TRUE(claim->writer->Append(AsBytes(content.substr(20))).ok());
  PieceRecord record;
  record.parent_id = PeerId("parent");
  record.traffic_type = TrafficType::kRemotePeer;
  record.cost = std::chrono::milliseconds(3);
  record.created_at = clock_.WallNow();
  ASSERT_TRUE(claim->writer->Commit(record).ok());

  const auto piece = task->Piece(2);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->offset, 20U);
  EXPECT_EQ(piece->length, 5U);
  EXPECT_EQ(piece->crc32, Crc32(0, AsBytes(content.substr(20))));
  EXPECT_EQ(piece->parent_id, record.parent_id);
  EXPECT_EQ(piece->traffic_type, record.traffic_type);
  EXPECT_EQ(piece->cost, record.cost);
  EXPECT_EQ(piece->created_at, record.created_at);
  const auto location = task->Locate(2);
  ASSERT_TRUE(location.has_value());
  EXPECT_EQ(location->offset, 20U);
  EXPECT_EQ(location->length, 5U);
  EXPECT_EQ(location->crc32, piece->crc32);
  EXPECT_EQ(location->parent_id, "parent");
  EXPECT_EQ(location->cost, record.cost);
  EXPECT_EQ(location->created_at, record.created_at);
  EXPECT_EQ(task->Locate(1), std::nullopt);
  EXPECT_EQ(task->Piece(77), std::nullopt);
}

TEST_F(StorageTest, GivesAPieceToOneWriterAtATime) {
  const auto storage = Open();
  const auto task = CreateTask(*storage, "abc", 10, 25);
  EXPECT_EQ(task->ClaimPiece(3).status().code(), absl::StatusCode::kOutOfRange);
  auto first = task->ClaimPiece(1);
  EXPECT_EQ(first->result, StoredTask::ClaimResult::kClaimed);
  EXPECT_EQ(task->ClaimPiece(1)->result, StoredTask::ClaimResult::kInProgress);
  first->writer.reset();
  WritePiece(*task, 1, Content(25));
  EXPECT_EQ(task->ClaimPiece(1)->result, StoredTask::ClaimResult::kFinished);
}

TEST_F(StorageTest, ManyThreadsWriteEveryPieceOnce) {
  const auto storage = Open();
  const std::string content = Content(1000);
  const auto task = CreateTask(*storage, "abc", 10, content.size());
  std::atomic<int> written = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (PieceNumber number = 0; number < task->piece_count(); ++number) {
        auto claim = task->ClaimPiece(number);
        if (claim->result != StoredTask::ClaimResult::kClaimed) continue;
        const PieceWriter& writer = *claim->writer;
        ASSERT_TRUE(
            claim->writer->Append(AsBytes(content.substr(writer.offset(), writer.length()))).ok());
        ASSERT_TRUE(claim->writer->Commit({}).ok());
        ++written;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(written, 100);
  EXPECT_TRUE(task->complete());
  EXPECT_EQ(ReadFile(task->content_path()), content);
}

TEST_F(StorageTest, TellsListenersWhatHappens) {
  const auto storage = Open();
  const auto task = CreateTask(*storage, "abc", 10, 25);
  std::vector<std::string> events;
  auto subscription = task->Subscribe([&](const TaskEvent& event) {
    static constexpr const char* kNames[] = {"coming", "finished", "released",
                                             "done",   "failed",   "removed"};
    events.push_back(StrCat(kNames[static_cast<int>(event.kind)], event.piece));
  });
  WritePiece(*task, 1, Content(25));
  (void)task->ClaimPiece(2);
  task->DropPiece(1);
  task->DropPiece(1);
  task->MarkFinished();
  task->MarkFailed();
  ASSERT_TRUE(storage->Remove(TaskKind::kStandard, TaskId("abc")).ok());
  EXPECT_THAT(events,
              ElementsAre("finished1", "released2", "released1", "done0", "failed0", "removed0"));
  subscription.reset();
  WritePiece(*task, 0, Content(25));
  EXPECT_EQ(events.size(), 6U);
}

TEST_F(StorageTest, DoesNotCallAListenerAfterItsSubscriptionEnded) {
  const auto storage = Open();
  const std::string content = Content(2000);
  const auto task = CreateTask(*storage, "abc", 1, content.size());
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (PieceNumber number = 0; number < task->piece_count(); ++number) {
      WritePiece(*task, number, content);
    }
    stop = true;
  });
  while (!stop) {
    auto alive = std::make_unique<int>(0);  // The sanitizers see a call that comes too late.
    auto subscription = task->Subscribe([counter = alive.get()](const TaskEvent&) { ++*counter; });
    subscription.reset();
    alive.reset();
  }
  writer.join();
  EXPECT_TRUE(task->complete());
}

TEST_F(StorageTest, OpenReadersAndWritersOutliveRemoval) {
  const auto storage = Open();
  const std::string content = Content(25);
  auto task = CreateTask(*storage, "abc", 10, content.size());
  WritePiece(*task, 0, content);
  auto claim = task->ClaimPiece(1);
  ASSERT_TRUE(storage->Remove(TaskKind::kStandard, TaskId("abc")).ok());
  EXPECT_EQ(storage->Find(TaskKind::kStandard, TaskId("abc")), nullptr);
  EXPECT_FALSE(std::filesystem::exists(task->content_path()));
  EXPECT_TRUE(task->removed());

  const auto successor = CreateTask(*storage, "abc", 10, content.size());
  ASSERT_TRUE(claim->writer->Append(AsBytes(content.substr(10, 10))).ok());
  ASSERT_TRUE(claim->writer->Commit({}).ok());
  char bytes[20];
  ASSERT_EQ(::pread(task->content_fd(), bytes, 20, 0), 20);
  EXPECT_EQ(std::string(bytes, 20), content.substr(0, 20));
  EXPECT_FALSE(successor->HasPiece(0));
  EXPECT_FALSE(successor->HasPiece(1));
  EXPECT_EQ(ReadFile(successor->content_path()), std::string(25, '\0'));
}

TEST_F(StorageTest, RemovingWhatIsNotThereIsAnError) {
  const auto storage = Open();
  EXPECT_EQ(storage->Remove(TaskKind::kStandard, TaskId("abc")).code(),
            absl::StatusCode::kNotFound);
}

TEST_F(StorageTest, CollectionSparesWhatIsPinnedOrWasUsedSince) {
  const auto storage = Open();
  const auto task = CreateTask(*storage, "abc", 10, 25);
  const auto remove = [&](WallTime since) {
    return storage->RemoveUnused(TaskKind::kStandard, TaskId("abc"), since);
  };
  const WallTime created = clock_.WallNow();
  EXPECT_EQ(remove(created - std::chrono::seconds(1)).code(),
            absl::StatusCode::kFailedPrecondition);
  auto pin = task->Pin();
  EXPECT_TRUE(task->pinned());
  EXPECT_EQ(remove(created).code(), absl::StatusCode::kFailedPrecondition);
  pin.reset();
  clock_.Advance(std::chrono::seconds(5));
  task->Touch();
  EXPECT_EQ(remove(created).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(remove(clock_.WallNow()).ok());
  EXPECT_TRUE(task->removed());
}

TEST_F(StorageTest, ReusesATaskThatHasPieces) {
  const auto storage = Open();
  TaskSpec spec = Spec("abc", 10, 25);
  spec.response_headers = {{"ETag", "1"}};
  const auto first = *storage->Create(spec);
  WritePiece(*first, 0, Content(25));
  spec.response_headers = {{"ETag", "2"}};
  const auto second = *storage->Create(spec);
  EXPECT_TRUE(second->HasPiece(0));
  EXPECT_THAT(second->spec().response_headers, ElementsAre(std::pair("ETag", "1")));
  EXPECT_EQ(storage->Create(Spec("abc", 10, 26)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(storage->Create(Spec("abc", 11, 25)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(StorageTest, ReplacesATaskWithoutPieces) {
  const auto storage = Open();
  const auto first = *storage->Create(Spec("abc", 10, 25));
  TaskSpec spec = Spec("abc", 20, 99);
  spec.response_headers = {{"ETag", "2"}};
  const auto second = *storage->Create(spec);
  EXPECT_TRUE(first->removed());
  EXPECT_EQ(second->spec().content_length, 99U);
  EXPECT_EQ(second->piece_count(), 5U);
  EXPECT_EQ(std::filesystem::file_size(second->content_path()), 99U);
  EXPECT_EQ(storage->List().size(), 1U);
}

TEST_F(StorageTest, EmptyContentIsComplete) {
  const auto storage = Open();
  const auto task = CreateTask(*storage, "abc", 10, 0);
  EXPECT_EQ(task->piece_count(), 0U);
  EXPECT_TRUE(task->complete());
  EXPECT_EQ(std::filesystem::file_size(task->content_path()), 0U);
}

TEST_F(StorageTest, ParallelCreatorsShareOneTask) {
  const auto storage = Open();
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<StoredTask>> tasks(4);
  for (auto& task : tasks) {
    threads.emplace_back([&] { task = *storage->Create(Spec("abc", 10, 25)); });
  }
  for (std::thread& thread : threads) thread.join();
  WritePiece(*tasks[0], 0, Content(25));
  for (const auto& task : tasks) EXPECT_TRUE(task->HasPiece(0));
}

TEST_F(StorageTest, DropsAPieceWhoseBytesChanged) {
  const auto storage = Open();
  const std::string content = Content(25);
  const auto task = CreateTask(*storage, "abc", 10, 25);
  for (const PieceNumber number : {0U, 1U, 2U}) WritePiece(*task, number, content);
  EXPECT_TRUE(task->VerifyPiece(1).ok());
  Overwrite(task->content_path(), 15, "!");
  EXPECT_TRUE(task->VerifyPiece(0).ok());
  EXPECT_EQ(task->VerifyPiece(1).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(task->HasPiece(1));
  EXPECT_EQ(task->VerifyPiece(1).code(), absl::StatusCode::kNotFound);
  WritePiece(*task, 1, content);
  EXPECT_TRUE(task->complete());
  EXPECT_EQ(ReadFile(task->content_path()), content);
}

TEST_F(StorageTest, KeepsTimes) {
  const auto storage = Open();
  const auto task = CreateTask(*storage, "abc", 10, 25);
  const WallTime created = clock_.WallNow();
  EXPECT_EQ(task->times().created_at, created);
  clock_.Advance(std::chrono::seconds(1));
  task->MarkFailed();
  EXPECT_EQ(task->times().failed_at, clock_.WallNow());
  EXPECT_TRUE(task->MarkPrefetched());
  EXPECT_FALSE(task->MarkPrefetched());
  task->ClearPrefetched();
  EXPECT_EQ(task->times().prefetched_at, std::nullopt);
  task->MarkFinished();
  EXPECT_EQ(task->times().failed_at, std::nullopt);
  EXPECT_EQ(task->times().finished_at, clock_.WallNow());
  EXPECT_EQ(task->times().updated_at, clock_.WallNow());
  EXPECT_EQ(task->times().created_at, created);
}

TEST_F(StorageTest, ReloadsEverything) {
  const std::string content = Content(25);
  TaskSpec spec = Spec("abc", 10, 25);
  spec.response_headers = {{"Content-Type", "text/plain"}, {"X-Odd", std::string("\xff\0", 2)}};
  TaskTimes times;
  std::optional<PieceRecord> piece;
  {
    const auto storage = Open();
    const auto task = *storage->Create(spec);
    for (const PieceNumber number : {0U, 2U}) WritePiece(*task, number, content);
    task->MarkFinished();
    (void)task->MarkPrefetched();
    clock_.Advance(std::chrono::seconds(7));
    task->Touch();
    times = task->times();
    piece = task->Piece(2);
  }
  const auto storage = Open();
  const auto task = storage->Find(TaskKind::kStandard, TaskId("abc"));
  ASSERT_NE(task, nullptr);
  EXPECT_EQ(task->spec().piece_length, 10U);
  EXPECT_EQ(task->spec().content_length, 25U);
  EXPECT_EQ(task->spec().response_headers, spec.response_headers);
  EXPECT_EQ(task->times().updated_at, times.updated_at);
  EXPECT_EQ(task->times().finished_at, times.finished_at);
  EXPECT_EQ(task->times().prefetched_at, times.prefetched_at);
  EXPECT_EQ(task->times().created_at, times.created_at);
  EXPECT_EQ(task->finished_pieces(), 2U);
  EXPECT_FALSE(task->HasPiece(1));
  EXPECT_EQ(task->Piece(2)->crc32, piece->crc32);
  EXPECT_EQ(task->Piece(2)->created_at, piece->created_at);
  EXPECT_EQ(task->ClaimPiece(1)->result, StoredTask::ClaimResult::kClaimed);
}

TEST_F(StorageTest, WipesAtStartUnlessToldToKeep) {
  std::string path;
  {
    const auto storage = Open();
    path = CreateTask(*storage, "abc", 10, 25)->content_path();
  }
  const auto storage = Open(false);
  EXPECT_THAT(storage->List(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(StorageTest, RemovesContentWithoutARecord) {
  const std::string stray = dir_.path() + "/content/tasks/fff/ffffff";
  const std::string misplaced = dir_.path() + "/content/tasks/eee/abc";
  {
    (void)CreateTask(*Open(), "abc", 10, 25);
  }
  for (const std::string& path : {stray, misplaced}) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << "left over";
  }
  const auto storage = Open();
  EXPECT_FALSE(std::filesystem::exists(stray));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(stray).parent_path()));
  EXPECT_FALSE(std::filesystem::exists(misplaced));
  EXPECT_EQ(storage->List().size(), 1U);
}

TEST_F(StorageTest, DropsRecordsWithoutContent) {
  {
    const auto storage = Open();
    std::filesystem::remove(CreateTask(*storage, "aaa", 10, 25)->content_path());
    std::filesystem::resize_file(CreateTask(*storage, "bbb", 10, 25)->content_path(), 24);
    (void)CreateTask(*storage, "ccc", 10, 25);
  }
  const auto storage = Open();
  ASSERT_EQ(storage->List().size(), 1U);
  EXPECT_EQ(storage->List()[0]->spec().id, TaskId("ccc"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/content/tasks/bbb/bbb"));
}

TEST_F(StorageTest, DiscardsWhatTheOriginalDaemonLeft) {
  std::filesystem::create_directories(dir_.path() + "/metadata");
  std::filesystem::create_directories(dir_.path() + "/content/tasks/abc");
  std::ofstream(dir_.path() + "/metadata/CURRENT") << "MANIFEST-000004\n";
  std::ofstream(dir_.path() + "/content/tasks/abc/abcdef") << "content";
  std::vector<std::string> warnings;
  const auto storage = Storage::Open(
      {.dir = dir_.path(), .keep = true, .warn = [&](const auto& w) { warnings.push_back(w); }},
      clock_);
  ASSERT_TRUE(storage.ok()) << storage.status();
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/metadata/CURRENT"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/content/tasks/abc/abcdef"));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("original dfdaemon")));
}

TEST_F(StorageTest, DiscardsDamagedMetadata) {
  {
    (void)CreateTask(*Open(), "abc", 10, 25);
  }
  std::ofstream(dir_.path() + "/metadata/storage.db") << std::string(10000, 'x');
  ExpectEmptyAfterWarning("discarding");
}

TEST_F(StorageTest, DiscardsMetadataWithOtherTables) {
  {
    (void)CreateTask(*Open(), "abc", 10, 25);
  }
  {
    auto db = SqliteDb::Open(dir_.path() + "/metadata/storage.db");
    ASSERT_TRUE(db.ok()) << db.status();
    ASSERT_TRUE(
        db->Execute("CREATE TRIGGER t AFTER UPDATE ON task BEGIN DELETE FROM piece; END").ok());
  }
  ExpectEmptyAfterWarning("not as they were made");
}

TEST_F(StorageTest, KeepsNoDescriptorOfTasksThatNobodyUses) {
  const auto storage = Open();
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_files();
  for (int i = 0; i < 300; ++i) {
    const auto task = CreateTask(*storage, StrCat("abc", i), 10, 5);
    WritePiece(*task, 0, "01234");
    EXPECT_GE(storage->Find(TaskKind::kStandard, task->spec().id)->content_fd(), 0);
  }
  EXPECT_EQ(storage->Summaries().size(), 300U);
  EXPECT_LE(open_files(), before + 70);
}

TEST_F(StorageTest, FullDiskIsReportedAndPassesAway) {
  const std::string mount = dir_.path() + "/small";
  std::filesystem::create_directories(mount);
  if (::mount("tmpfs", mount.c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "may not mount";
  }
  {
    auto storage = OpenStorage(mount, clock_);
    EXPECT_EQ(storage->Create(Spec("abc", 4 * kMiB, 16 * kMiB)).status().code(),
              absl::StatusCode::kResourceExhausted);
    EXPECT_FALSE(std::filesystem::exists(mount + "/content/tasks/abc/abc"));
    const std::string content = Content(kMiB);
    const auto task = CreateTask(*storage, "abc", kMiB, kMiB);
    {
      // Everything that is left, so that records cannot be written either.
      std::ofstream filler(mount + "/filler");
      while (filler << std::string(4096, 'x') << std::flush) {
      }
    }
    // The content has its space already.
    WritePiece(*task, 0, content);
    EXPECT_EQ(storage->Create(Spec("def", kMiB, kMiB)).status().code(),
              absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(storage->Remove(TaskKind::kStandard, TaskId("abc")).ok());
    std::filesystem::remove(mount + "/filler");
    const auto again = CreateTask(*storage, "def", kMiB, kMiB);
    WritePiece(*again, 0, content);
    storage.reset();
    storage = OpenStorage(mount, clock_);
    ASSERT_EQ(storage->List().size(), 1U);
    EXPECT_TRUE(storage->List()[0]->complete());
    EXPECT_EQ(ReadFile(storage->List()[0]->content_path()), content);
  }
  ::umount2(mount.c_str(), MNT_DETACH);
}

TEST_F(StorageTest, AFileThatMayNotGrowIsReportedAsNoSpace) {
  const auto storage = Open();
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{.rlim_cur = 8 * kMiB, .rlim_max = old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto task = storage->Create(Spec("abc", 4 * kMiB, 16 * kMiB));
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(task.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/content/tasks/abc/abc"));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
