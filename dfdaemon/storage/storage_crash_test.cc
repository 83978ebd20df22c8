#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include "common/base/strings.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/storage/storage_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

class StorageCrashTest : public ::testing::Test {
 protected:
  // Runs `work` in a process of its own until that writes to the pipe it is given, then kills it
  // without warning.
  static void RunAndKill(const std::function<void(int report)>& work) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      work(ends[1]);
      ::pause();
      ::_exit(1);
    }
    ::close(ends[1]);
    char byte = 0;
    EXPECT_EQ(::read(ends[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    ::close(ends[0]);
  }

  static void Report(int pipe) { (void)!::write(pipe, "x", 1); }

  // All that a reload says is finished must hold the right bytes.
  static void ExpectRightBytes(StoredTask& task, const std::string& content) {
    const std::string file = ReadFile(task.content_path());
    ASSERT_EQ(file.size(), content.size());
    for (const PieceRecord& piece : task.Pieces()) {
      EXPECT_EQ(file.substr(piece.offset, piece.length), content.substr(piece.offset, piece.length))
          << "piece " << piece.number;
    }
  }

  TempDir dir_;
  ManualClock clock_;
};

TEST_F(StorageCrashTest, FinishedPiecesOutliveKill) {
  const std::string content = Content(100);
  RunAndKill([&](int report) {
    auto storage = OpenStorage(dir_.path(), clock_);
    const auto task = CreateTask(*storage, "abc", 10, content.size());
    for (const PieceNumber number : {0U, 1U, 2U, 5U}) WritePiece(*task, number, content);
    static auto unfinished = task->ClaimPiece(6);
    (void)unfinished->writer->Append(AsBytes(content.substr(60, 5)));
    // Once a later record can be seen from outside, the earlier ones are written.
    (void)storage->Remove(TaskKind::kStandard, CreateTask(*storage, "def", 1, 1)->spec().id);
    (void)CreateTask(*storage, "def", 1, 1);  // Waits for the removal's record.
    Report(report);
    static auto keep_alive = std::move(storage);
  });
  const auto storage = OpenStorage(dir_.path(), clock_);
  const auto task = storage->Find(TaskKind::kStandard, TaskId("abc"));
  ASSERT_NE(task, nullptr);
  EXPECT_EQ(task->finished_pieces(), 4U);
  ExpectRightBytes(*task, content);
  for (PieceNumber number = 0; number < task->piece_count(); ++number) {
    if (!task->HasPiece(number)) WritePiece(*task, number, content);
  }
  EXPECT_EQ(ReadFile(task->content_path()), content);
}

TEST_F(StorageCrashTest, NothingWrongIsLeftWheneverTheKillComes) {
  const std::string old_content = Content(4000);
  std::string new_content = old_content;
  for (char& byte : new_content) byte = static_cast<char>(~byte);
  PieceNumber seen = 0;
  for (int round = 0; round < 20; ++round) {
    RunAndKill([&](int report) {
      auto storage = OpenStorage(dir_.path(), clock_);
      // The same id again and again, each time with other bytes: what an old record would say of
      // new content is wrong.
      for (int i = 0;; ++i) {
        if (i == round && round % 2 == 0) Report(report);
        (void)storage->Remove(TaskKind::kStandard, TaskId("abc"));
        TaskSpec spec = Spec("abc", 100, old_content.size());
        const std::string& content = i % 2 == 0 ? old_content : new_content;
        spec.response_headers = {{"content", i % 2 == 0 ? "old" : "new"}};
        const auto task = *storage->Create(spec);
        for (PieceNumber number = 0; number < task->piece_count(); ++number) {
          WritePiece(*task, number, content);
        }
        for (const PieceNumber number : {3U, 7U}) {
          Overwrite(task->content_path(), number * 100, "damaged");
          EXPECT_FALSE(task->VerifyPiece(number).ok());
          WritePiece(*task, number, content);
        }
        if (i == round && round % 2 == 1) {
          // Every other time the kill comes when all is recorded, so that something is left to look
          // at. Once a later record can be seen from outside, the earlier ones are written.
          (void)storage->Remove(TaskKind::kStandard, CreateTask(*storage, "def", 1, 1)->spec().id);
          (void)CreateTask(*storage, "def", 1, 1);
          Report(report);
          while (true) ::pause();
        }
      }
    });
    const auto storage = OpenStorage(dir_.path(), clock_);
    const auto task = storage->Find(TaskKind::kStandard, TaskId("abc"));
    if (task == nullptr) continue;
    const bool is_old = task->spec().response_headers[0].second == "old";
    // Pieces 3 and 7 may be damaged on the disk: what a reload cannot see, a check does.
    for (const PieceNumber number : {3U, 7U}) (void)task->VerifyPiece(number);
    ExpectRightBytes(*task, is_old ? old_content : new_content);
    seen += task->finished_pieces();
  }
  EXPECT_GT(seen, 0U);
}

TEST_F(StorageCrashTest, TrustsPiecesAfterAKillInTheSameBoot) {
  RunAndKill([&](int report) {
    auto storage = OpenStorage(dir_.path(), clock_, true, 0, "boot-1");
    const auto task = CreateTask(*storage, "abc", 10, 30);
    for (const PieceNumber number : {0U, 1U, 2U}) WritePiece(*task, number, Content(30));
    (void)storage->Remove(TaskKind::kStandard, CreateTask(*storage, "def", 1, 1)->spec().id);
    (void)CreateTask(*storage, "def", 1, 1);
    Report(report);
    static auto keep_alive = std::move(storage);
  });
  const auto storage = OpenStorage(dir_.path(), clock_, true, 0, "boot-1");
  // At once: nothing has been read yet.
  EXPECT_TRUE(storage->Find(TaskKind::kStandard, TaskId("abc"))->complete());
}

TEST_F(StorageCrashTest, ChecksPiecesAfterThePowerFailed) {
  const std::string content = Content(30);
  RunAndKill([&](int report) {
    auto storage = OpenStorage(dir_.path(), clock_, true, 0, "boot-1");
    const auto task = CreateTask(*storage, "abc", 10, content.size());
    for (const PieceNumber number : {0U, 1U, 2U}) WritePiece(*task, number, content);
    (void)storage->Remove(TaskKind::kStandard, CreateTask(*storage, "def", 1, 1)->spec().id);
    (void)CreateTask(*storage, "def", 1, 1);
    Report(report);
    static auto keep_alive = std::move(storage);
  });
  // A page that was not written back reads as zeroes.
  Overwrite(dir_.path() + "/content/tasks/abc/abc", 10, std::string(10, '\0'));
  for (const char* boot : {"boot-2", "boot-2"}) {
    const auto storage = OpenStorage(dir_.path(), clock_, true, 0, boot);
    const auto task = storage->Find(TaskKind::kStandard, TaskId("abc"));
    ASSERT_NE(task, nullptr);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (const PieceNumber number : {0U, 1U, 2U}) {
      while (!task->HasPiece(number) && std::chrono::steady_clock::now() < deadline &&
             task->ClaimPiece(number)->result == StoredTask::ClaimResult::kInProgress) {
        std::this_thread::yield();
      }
    }
    EXPECT_TRUE(task->HasPiece(0));
    EXPECT_FALSE(task->HasPiece(1));
    EXPECT_TRUE(task->HasPiece(2));
  }
}

TEST_F(StorageCrashTest, TrustsPiecesOfAnotherBootAfterACleanStop) {
  const std::string content = Content(30);
  {
    const auto storage = OpenStorage(dir_.path(), clock_, true, 0, "boot-1");
    const auto task = CreateTask(*storage, "abc", 10, content.size());
    for (const PieceNumber number : {0U, 1U, 2U}) WritePiece(*task, number, content);
  }
  const auto storage = OpenStorage(dir_.path(), clock_, true, 0, "boot-2");
  EXPECT_TRUE(storage->Find(TaskKind::kStandard, TaskId("abc"))->complete());
}

TEST_F(StorageCrashTest, StaysSuspectWhenKilledWhileChecking) {
  const std::string content = Content(30);
  RunAndKill([&](int report) {
    auto storage = OpenStorage(dir_.path(), clock_, true, 0, "boot-1");
    const auto task = CreateTask(*storage, "abc", 10, content.size());
    WritePiece(*task, 0, content);
    (void)storage->Remove(TaskKind::kStandard, CreateTask(*storage, "def", 1, 1)->spec().id);
    (void)CreateTask(*storage, "def", 1, 1);
    Report(report);
    static auto keep_alive = std::move(storage);
  });
  Overwrite(dir_.path() + "/content/tasks/abc/abc", 0, std::string(10, '\0'));
  // Comes up after the power failure and is killed at once, perhaps before anything was checked.
  RunAndKill([&](int report) {
    static auto storage = OpenStorage(dir_.path(), clock_, true, 0, "boot-2");
    Report(report);
  });
  const auto storage = OpenStorage(dir_.path(), clock_, true, 0, "boot-2");
  const auto task = storage->Find(TaskKind::kStandard, TaskId("abc"));
  ASSERT_NE(task, nullptr);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!task->HasPiece(0) && std::chrono::steady_clock::now() < deadline &&
         task->ClaimPiece(0)->result == StoredTask::ClaimResult::kInProgress) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(task->HasPiece(0));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
