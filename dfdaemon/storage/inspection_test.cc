// Content files that somebody else changed.

#include <gtest/gtest.h>

#include <filesystem>

#include "common/testing/matchers.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/storage/storage_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

namespace fs = std::filesystem;

class InspectionTest : public ::testing::Test {
 protected:
  InspectionTest() { Write(*task_); }

  void Write(StoredTask& task) {
    for (PieceNumber number = 0; number < task.piece_count(); ++number) {
      auto claim = task.ClaimPiece(number);
      ASSERT_THAT(claim.status(), IsOk());
      if (claim->result != StoredTask::ClaimResult::kClaimed) continue;
      PieceWriter& writer = *claim->writer;
      ASSERT_THAT(writer.Append(AsBytes(content_).subspan(writer.offset(), writer.length())),
                  IsOk());
      PieceRecord record;
      record.created_at = clock_.WallNow();
      ASSERT_THAT(writer.Commit(record), IsOk());
    }
  }
  bool Removed() {
    const auto removed = storage_->Inspect(TaskKind::kStandard, TaskId("abc"));
    EXPECT_THAT(removed.status(), IsOk());
    return removed.ok() && *removed;
  }
  void Reopen() {
    task_.reset();
    storage_.reset();
    storage_ = OpenStorage(dir_.path(), clock_);
    task_ = storage_->Find(TaskKind::kStandard, TaskId("abc"));
  }
  // Also where the file system counts time in ticks.
  void Age() const {
    fs::last_write_time(path_, fs::last_write_time(path_) + std::chrono::seconds(5));
  }

  const std::string content_ = Content(25);
  TempDir dir_;
  SystemClock clock_;
  std::unique_ptr<Storage> storage_ = OpenStorage(dir_.path(), clock_);
  std::shared_ptr<StoredTask> task_ = CreateTask(*storage_, "abc", 10, 25);
  const std::string path_ = task_->content_path();
};

TEST_F(InspectionTest, WhatNobodyTouchedIsIntact) {
  EXPECT_TRUE(task_->Intact());
  EXPECT_FALSE(Removed());
  Reopen();
  EXPECT_TRUE(task_->Intact());
  EXPECT_FALSE(Removed());
}

TEST_F(InspectionTest, ALinkOrAReaderChangesNothing) {
  fs::create_hard_link(path_, path_ + ".link");
  EXPECT_EQ(ReadFile(path_ + ".link"), content_);
  EXPECT_TRUE(task_->Intact());
}

TEST_F(InspectionTest, AChangedContentIsRemovedAndANewFileMade) {
  fs::create_hard_link(path_, path_ + ".link");
  Overwrite(path_ + ".link", 15, "!");
  Age();
  EXPECT_FALSE(task_->Intact());
  EXPECT_TRUE(Removed());
  EXPECT_TRUE(task_->removed());
  task_ = CreateTask(*storage_, "abc", 10, 25);
  Write(*task_);
  EXPECT_TRUE(task_->Intact());
  EXPECT_EQ(ReadFile(path_), content_);
  EXPECT_EQ(ReadFile(path_ + ".link")[15], '!') << "the user's file stays the user's";
}

TEST_F(InspectionTest, TheSameBytesAgainAreGood) {
  Overwrite(path_, 15, content_.substr(15, 1));
  Age();
  EXPECT_FALSE(task_->Intact());
  EXPECT_FALSE(Removed());
  EXPECT_TRUE(task_->Intact()) << "looked at once only";
}

TEST_F(InspectionTest, ACutContentIsRemoved) {
  fs::resize_file(path_, 12);
  EXPECT_FALSE(task_->Intact());
  EXPECT_TRUE(Removed());
}

TEST_F(InspectionTest, ALongerContentIsRemoved) {
  fs::resize_file(path_, 26);
  EXPECT_FALSE(task_->Intact());
  EXPECT_TRUE(Removed()) << "its hard link would be longer too";
}

TEST_F(InspectionTest, AContentWithoutItsNameIsRemoved) {
  fs::rename(path_, path_ + ".away");
  EXPECT_FALSE(task_->Intact());
  EXPECT_TRUE(Removed());
}

TEST_F(InspectionTest, AnotherFileOfItsNameIsNotTheContent) {
  ASSERT_EQ(ReadFile(path_), content_);
  fs::copy_file(path_, path_ + ".copy");
  fs::rename(path_ + ".copy", path_);
  ASSERT_GE(task_->content_fd(), 0);
  EXPECT_FALSE(task_->Intact());
}

TEST_F(InspectionTest, AContentThatWasChangedBetweenTwoRunsIsRemoved) {
  Overwrite(path_, 15, "!");
  Age();
  Reopen();
  EXPECT_FALSE(task_->Intact());
  EXPECT_TRUE(Removed());
}

TEST_F(InspectionTest, ADamagedPieceTakesItsFileAlong) {
  task_->DropDamagedPiece(1);
  EXPECT_FALSE(task_->Intact());
  EXPECT_TRUE(Removed());
}

TEST_F(InspectionTest, APieceThatWasDroppedForAnotherReasonDoesNot) {
  task_->DropPiece(1);
  EXPECT_TRUE(task_->Intact());
  EXPECT_FALSE(Removed());
}

TEST_F(InspectionTest, ADamagedPieceThatWasWrittenAgainIsGood) {
  task_->DropDamagedPiece(1);
  Write(*task_);
  EXPECT_TRUE(task_->Intact());
  EXPECT_FALSE(Removed());
}

TEST_F(InspectionTest, AnUnknownTaskNeedsNoRemoval) {
  const auto removed = storage_->Inspect(TaskKind::kStandard, TaskId("def"));
  ASSERT_THAT(removed.status(), IsOk());
  EXPECT_FALSE(*removed);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
