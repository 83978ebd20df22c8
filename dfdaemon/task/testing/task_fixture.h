#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "dfdaemon/task/task_manager.h"
#include "dfdaemon/task/testing/fakes.h"

namespace dragonfly::dfdaemon {

/// What one caller got.
struct Fetched {
  absl::Status status;
  bool started = false;
  bool was_finished = false;
  std::vector<PieceNumber> pieces;  ///< In order of arrival.
  int from_source = 0;
  int from_peers = 0;
  int local = 0;
};

/// A TaskManager on a real Storage, with fakes around it. The object has 10 pieces of 1,000 bytes.
class TaskFixture : public testing::Test {
 protected:
  static constexpr std::uint64_t kPieceLength = 1000;
  static constexpr PieceNumber kPieces = 10;

  TaskFixture();
  ~TaskFixture() override;

  void Open();   ///< Storage and manager; by the constructor.
  void Close();  ///< As a clean stop of the daemon.

  [[nodiscard]] DownloadRequest Request() const;
  [[nodiscard]] Fetched Fetch(DownloadRequest request);
  [[nodiscard]] std::future<Fetched> Begin(DownloadRequest request);
  [[nodiscard]] std::shared_ptr<StoredTask> Stored() const;
  /// The content file as it is.
  [[nodiscard]] std::string OnDisk() const;
  /// Answers every registration so.
  void Answer(ScheduleDecision decision);
  [[nodiscard]] DownloadFromParents From(std::vector<FakeParent*> parents) const;
  [[nodiscard]] int Count(const std::string& report) const;
  [[nodiscard]] std::string Output(const std::string& name) const { return dir_.File(name); }

  std::uint64_t disk_threshold = 0;
  TaskManagerOptions options;
  const std::string object_ = FakeContent(kPieceLength * (kPieces - 1) + 500);

  const TempDir dir_;
  SystemClock clock_;
  Runtime io_{"io", 1};
  Runtime data_{"data", 2};
  BlockingPool disk_{2};
  FakeSource source_{object_};
  FakeParents parents_{io_.executor(), kPieceLength};
  FakeScheduler scheduler_{io_.executor()};
  CountingTaskMetrics metrics_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<TaskManager> manager_;
};

}  // namespace dragonfly::dfdaemon
