#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// A folder that goes away with the object.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "storage-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Stands still unless advanced. Thread-safe.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime Now() const override { return SteadyTime(Duration(elapsed_.load())); }
  [[nodiscard]] WallTime WallNow() const override {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(
        std::chrono::seconds(1'700'000'000) + Duration(elapsed_.load())));
  }
  void Advance(Duration by) { elapsed_ += by.count(); }

 private:
  std::atomic<Duration::rep> elapsed_{0};
};

inline TaskSpec Spec(const std::string& id, std::uint64_t piece_length,
                     std::uint64_t content_length) {
  TaskSpec spec;
  spec.id = TaskId(id);
  spec.piece_length = piece_length;
  spec.content_length = content_length;
  return spec;
}

/// Bytes that differ from place to place.
inline std::string Content(std::size_t length) {
  std::string content(length, '\0');
  std::uint32_t state = 1;
  for (char& byte : content) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return content;
}

inline std::unique_ptr<Storage> OpenStorage(const std::string& dir, const Clock& clock,
                                            bool keep = true, std::uint64_t threshold = 0,
                                            const std::string& boot_id = "") {
  StorageOptions options;
  options.dir = dir;
  options.keep = keep;
  options.disk_threshold = threshold;
  options.boot_id = boot_id;
  auto storage = Storage::Open(std::move(options), clock);
  EXPECT_TRUE(storage.ok()) << storage.status();
  return storage.ok() ? *std::move(storage) : nullptr;
}

inline std::shared_ptr<StoredTask> CreateTask(Storage& storage, const std::string& id,
                                              std::uint64_t piece_length,
                                              std::uint64_t content_length) {
  auto task = storage.Create(Spec(id, piece_length, content_length));
  EXPECT_TRUE(task.ok()) << task.status();
  return task.ok() ? *std::move(task) : nullptr;
}

/// Writes piece `number` of a task whose whole content is `content`.
inline void WritePiece(StoredTask& task, PieceNumber number, const std::string& content) {
  auto claim = task.ClaimPiece(number);
  ASSERT_TRUE(claim.ok()) << claim.status();
  ASSERT_EQ(claim->result, StoredTask::ClaimResult::kClaimed);
  PieceWriter& writer = *claim->writer;
  const auto bytes = AsBytes(content).subspan(writer.offset(), writer.length());
  const absl::Status appended = writer.Append(bytes);
  ASSERT_TRUE(appended.ok()) << appended;
  const absl::Status committed = writer.Commit({});
  ASSERT_TRUE(committed.ok()) << committed;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void Overwrite(const std::string& path, std::uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

}  // namespace dragonfly::dfdaemon
