#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/http/test_socket.h"
#include "common/testing/captured_log.h"
#include "common/testing/end_together.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_origin.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "dfdaemon/proxy/fake_tasks.h"
#include "dfdaemon/proxy/proxy.h"

namespace dragonfly::dfdaemon {

/// An origin that only says whether a caller may have something.
class GuardedSource final : public Source {
 public:
  /// What Stat answers; by default everybody may.
  std::function<absl::Status(const SourceRequest&)> admits;

  Awaitable<absl::StatusOr<SourceStat>> Stat(SourceRequest request) override {
    ++asked;
    absl::Status status = admits ? admits(request) : absl::OkStatus();
    if (!status.ok()) co_return status;
    co_return SourceStat{};
  }
  Awaitable<absl::Status> FetchPiece(SourceRequest, std::uint64_t, PieceWriter&) override {
    co_return absl::UnimplementedError("not in this test");
  }
  Awaitable<absl::Status> FetchAll(SourceRequest, std::uint64_t, std::uint64_t,
                                   PieceSequence&) override {
    co_return absl::UnimplementedError("not in this test");
  }

  std::atomic<int> asked{0};
};

class CountingProxyMetrics final : public ProxyMetrics {
 public:
  void RequestReceived() override { ++received; }
  void RequestFailed() override { ++failed; }
  void RequestBecameTask() override { ++tasks; }
  std::atomic<int> received{0};
  std::atomic<int> failed{0};
  std::atomic<int> tasks{0};
};

/// A proxy on a real socket, with a recording origin behind it and scripted downloads. Blob URLs
/// become tasks.
class ProxyFixture : public testing::Test {
 protected:
  ProxyFixture();
  ~ProxyFixture() override;

  void Start();  ///< With `options`; again to change them.
  void StopProxy();

  /// `method path HTTP/1.1`, fields as given (each with its line end), and the empty line.
  static std::string Text(std::string_view method, std::string_view target,
                          std::string_view fields = {});
  /// The whole answer to one request on a connection of its own.
  std::string Ask(std::string_view method, std::string_view target, std::string_view fields = {});
  /// What follows the head.
  static std::string Body(const std::string& answer);

  static constexpr std::string_view kBlob =
      "/v2/app/blobs/sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

  const TempDir dir_;
  // Today: clients of the interception compare certificates with the real time.
  FakeClock clock_{std::chrono::system_clock::now()};
  Runtime io_{"io", 1};
  Runtime data_{"data", 2};
  EndTogether ends_{&io_, &data_};
  BlockingPool disk_{2};
  CapturedLog log_;
  std::function<OriginReply(const OriginRequest&)> reply_;
  FakeOrigin origin_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<FakeTasks> tasks_;
  GuardedSource source_;
  CountingProxyMetrics metrics_;
  std::unique_ptr<HttpClient> client_;
  ProxyOptions options;
  std::unique_ptr<Proxy> proxy_;
};

}  // namespace dragonfly::dfdaemon
