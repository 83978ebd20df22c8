#pragma once

// A daemon for the tests of the services: real storage and gRPC, scripted downloads.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/async/runtime.h"
#include "common/rpc/channel.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "common/testing/end_together.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "dfdaemon/rpc/download_service.h"
#include "dfdaemon/rpc/upload_service.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// What a scripted download gives, and how it ends.
struct DownloadScript {
  DownloadStarted started;
  std::shared_ptr<StoredTask> stored;
  std::vector<PieceRecord> pieces;
  absl::Status end;
  bool hang = false;  ///< Never ends after the pieces.
};

class FakeDownload final : public Download {
 public:
  FakeDownload(DownloadScript script, std::atomic<int>& running)
      : script_(std::move(script)), running_(running) {
    ++running_;
  }
  ~FakeDownload() override { --running_; }

  [[nodiscard]] const DownloadStarted& started() const override { return script_.started; }
  [[nodiscard]] const std::shared_ptr<StoredTask>& stored() const override {
    return script_.stored;
  }
  Awaitable<absl::StatusOr<std::optional<PieceRecord>>> Next() override;

 private:
  const DownloadScript script_;
  std::atomic<int>& running_;
  std::size_t next_ = 0;
};

class FakeTasks final : public TaskManager {
 public:
  [[nodiscard]] absl::StatusOr<TaskId> IdOf(const DownloadRequest& request) const override {
    if (request.url == "bad") return absl::InvalidArgumentError("bad url");
    return TaskId(std::string(64, 'a'));
  }
  Awaitable<absl::StatusOr<std::unique_ptr<Download>>> Start(DownloadRequest request) override {
    requests.push_back(std::move(request));
    if (!refuse.ok()) co_return refuse;
    co_return std::make_unique<FakeDownload>(script, running);
  }
  Awaitable<absl::Status> Delete(TaskKind /*kind*/, TaskId /*id*/) override { co_return deletion; }
  Awaitable<> Stop() override { co_return; }

  // Set before the call, read after it.
  absl::Status refuse;
  DownloadScript script;
  absl::Status deletion;
  std::vector<DownloadRequest> requests;
  std::atomic<int> running = 0;
};

class FakeSchedulers final : public SchedulerQueries {
 public:
  Awaitable<absl::StatusOr<pb::common::Task>> StatTask(TaskId id) override {
    if (!stat.ok()) co_return stat;
    pb::common::Task task;
    task.set_id(id.str());
    co_return task;
  }
  Awaitable<absl::Status> DeleteHost() override {
    ++deleted_hosts;
    co_return absl::OkStatus();
  }

  absl::Status stat;
  int deleted_hosts = 0;
};

class CountingRpcMetrics final : public RpcMetrics {
 public:
  void Requested(RpcOperation /*operation*/) override { ++requested; }
  void Failed(RpcOperation /*operation*/) override { ++failed; }

  std::atomic<int> requested = 0;
  std::atomic<int> failed = 0;
};

/// Both services, the download service on a unix socket and the upload service on loopback.
class ServicesTest : public ::testing::Test {
 protected:
  ServicesTest();
  void SetUp() override;
  void TearDown() override;

  template <class T>
  T Run(Awaitable<T> work) {
    return RunCoro(client_, std::move(work));
  }
  /// Makes a task in the storage; piece `n` is of 100 bytes, written when asked for.
  std::shared_ptr<StoredTask> MakeTask(const std::string& id, const std::string& content);
  [[nodiscard]] ServiceDeps Deps(rpc::Calls& calls, bool allow_output_path);

  TempDir dir_;
  SystemClock clock_;
  Runtime io_{"io", 1};
  Runtime client_{"client", 1};
  EndTogether ends_{&io_, &client_};
  BlockingPool disk_{1};
  std::unique_ptr<Storage> storage_;
  FakeTasks tasks_;
  FakeSchedulers schedulers_;
  NetworkMonitor network_;
  CountingRpcMetrics metrics_;
  std::atomic<std::uint64_t> upload_bytes_ = 0;
  ContentBudget content_{io_.executor()};

  rpc::Calls upload_calls_;
  rpc::Calls download_calls_;
  std::unique_ptr<UploadService> upload_;
  std::unique_ptr<DownloadService> download_;
  std::unique_ptr<rpc::Server> upload_server_;
  std::unique_ptr<rpc::Server> download_server_;
  std::unique_ptr<pb::dfdaemon::DfdaemonUpload::Stub> upload_stub_;
  std::unique_ptr<pb::dfdaemon::DfdaemonDownload::Stub> download_stub_;
};

}  // namespace dragonfly::dfdaemon
