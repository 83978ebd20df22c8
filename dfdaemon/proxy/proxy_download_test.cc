// The proxy over the real download driver and the real HTTP source.

#include <atomic>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "common/http/test_socket.h"
#include "common/testing/end_together.h"
#include "common/testing/fake_origin.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "dfdaemon/proxy/proxy.h"
#include "dfdaemon/source/http_source.h"
#include "dfdaemon/task/testing/fakes.h"


namespace dragonfly::dfdaemon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class ProxyDownloadTest : public testing::Test {
 protected:
  ProxyDownloadTest() : origin_([this](const OriginRequest& request) { return Answer(request); }) {
    StorageOptions storage;
    storage.dir = dir_.path();
    storage_ = Storage::Open(std::move(storage), clock_).value();
    HttpSourceOptions source;
    source.retries_max = 0;
    HttpSource::Collaborators with_client{client_, {}, source_metrics_, clock_, Logger()};
    source_ = std::make_unique<HttpSource>(source, with_client);
    scheduler_.connect_error = absl::UnavailableError("no scheduler");
    TaskManagerOptions tasks;
    tasks.host_id = HostId("127.0.0.1-self");
    tasks.ip = "127.0.0.1";
    tasks.hostname = "self";
    tasks_ = TaskManager::Create(
        tasks, {io_.executor(), data_, disk_, clock_, *storage_, *source_, parents_, scheduler_,
                parents_, task_metrics_});
    ProxyOptions options;
    options.ip = "127.0.0.1";
    options.port = 0;
    options.registry_addr = origin_.Url("");
    options.enable_task_id_based_blob_digest = true;
    ProxyRule blobs;
    blobs.regex = "blobs/sha256.*";
    options.rules = {blobs};
    auto proxy = Proxy::Create(options, {io_.executor(), data_, disk_, clock_, *tasks_, *storage_,
                                         *source_, client_, metrics_});
    proxy_ = std::move(proxy).value();
    EXPECT_THAT(proxy_->Start(), IsOk());
  }
  ~ProxyDownloadTest() override {
    RunCoro(data_, proxy_->Stop(std::chrono::milliseconds(0)));
    RunCoro(io_, tasks_->Stop());
    RunCoro(data_, client_.Stop());
    tasks_.reset();
  }

  // A registry with tokens: one blob, whose name is `digest_`.
  OriginReply Answer(const OriginRequest& request) {
    if (request.Header("Authorization") != "Bearer good") {
      OriginReply reply = FakeOrigin::Status(401, "Unauthorized");
      reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"https://auth\"");
      return reply;
    }
    if (request.target != Blob()) return FakeOrigin::Status(404, "Not Found");
    OriginReply reply = FakeOrigin::Serve(request, blob_);
    if (request.method != "HEAD") sent_ += reply.body.size();
    return reply;
  }
  [[nodiscard]] std::string Blob() const { return StrCat("/v2/app/blobs/sha256:", digest_); }

  std::string Ask(const std::string& fields = {}, std::string_view token = "good") {
    TestSocket socket(proxy_->port());
    socket.Send(StrCat("GET ", Blob(), " HTTP/1.1\r\nAuthorization: Bearer ", token,
                       "\r\nConnection: close\r\n", fields, "\r\n"));
    return socket.ReadToEnd();
  }
  static std::string Body(const std::string& answer) {
    const auto end = answer.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : answer.substr(end + 4);
  }

  std::string blob_ = FakeContent(9 * kMiB + 17);
  std::string digest_ = Sha256Hex(blob_);
  std::atomic<std::uint64_t> sent_{0};

  const TempDir dir_;
  SystemClock clock_;
  Runtime io_{"io", 1};
  Runtime data_{"data", 2};
  EndTogether ends_{&io_, &data_};
  BlockingPool disk_{2};
  FakeOrigin origin_;
  HttpClient client_{HttpClientOptions{}, {data_.executor(0), data_.executor(1)}};
  NullSourceMetrics source_metrics_;
  CountingTaskMetrics task_metrics_;
  NullProxyMetrics metrics_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<HttpSource> source_;
  FakeParents parents_{io_.executor(), 4 * kMiB};
  FakeScheduler scheduler_{io_.executor()};
  std::unique_ptr<TaskManager> tasks_;
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(ProxyDownloadTest, FetchesABlobOnceForAllClients) {
  const std::string first = Ask();
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(Body(first) == blob_);
  const std::string second = Ask();
  EXPECT_THAT(second, HasSubstr("X-Dragonfly-Task-Download-Finished: true\r\n"));
  EXPECT_TRUE(Body(second) == blob_);
  // The question for the length costs a byte.
  EXPECT_LE(sent_, blob_.size() + 1);
}

TEST_F(ProxyDownloadTest, ServesRangesOfABlobThatIsNotHere) {
  const std::string tail = Ask("Range: bytes=-100\r\n");
  EXPECT_THAT(tail, StartsWith("HTTP/1.1 206 "));
  EXPECT_TRUE(Body(tail) == blob_.substr(blob_.size() - 100));
  EXPECT_TRUE(Body(Ask("Range: bytes=4194300-4194310\r\n")) == blob_.substr(4194300, 11));
  EXPECT_THAT(Ask(StrCat("Range: bytes=", blob_.size(), "-\r\n")),
              AllOf(StartsWith("HTTP/1.1 416 "),
                    HasSubstr(StrCat("Content-Range: bytes */", blob_.size()))));
}

TEST_F(ProxyDownloadTest, GivesTheRegistrysChallengeBeforeAndAfterTheBlobIsCached) {
  const auto challenge = AllOf(StartsWith("HTTP/1.1 401 "),
                               HasSubstr("WWW-Authenticate: Bearer realm=\"https://auth\"\r\n"),
                               HasSubstr("X-Dragonfly-Error-Type: backend\r\n"));
  EXPECT_THAT(Ask({}, "bad"), challenge);
  EXPECT_TRUE(Body(Ask()) == blob_);
  EXPECT_THAT(Ask({}, "bad"), challenge);
}

TEST_F(ProxyDownloadTest, NeverHandsOutAWholeBlobWithAWrongDigest) {
  blob_[blob_.size() / 2] = static_cast<char>(~blob_[blob_.size() / 2]);
  const std::string answer = Ask();
  EXPECT_LT(Body(answer).size(), blob_.size());
  const std::string again = Ask();
  EXPECT_LT(Body(again).size(), blob_.size());
}

TEST_F(ProxyDownloadTest, PassesOnThatTheBlobDoesNotExist) {
  TestSocket socket(proxy_->port());
  socket.Send(StrCat("GET /v2/app/blobs/sha256:", Sha256Hex("other"),
                     " HTTP/1.1\r\nAuthorization: Bearer good\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(socket.ReadToEnd(), AllOf(StartsWith("HTTP/1.1 404 "),
                                        HasSubstr("X-Dragonfly-Error-Type: backend\r\n")));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
