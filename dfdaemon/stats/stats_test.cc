#include <algorithm>
#include <future>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <gmock/gmock.h>

#include "common/async/runtime.h"
#include "common/base/strings.h"
#include "common/http/client.h"
#include "common/testing/end_together.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "dfdaemon/stats/admin_servers.h"
#include "dfdaemon/stats/daemon_metrics.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

TaskLabels Labels() {
  TaskLabels labels;
  labels.tag = "t";
  labels.application = "a";
  labels.priority = Priority::kLevel6;
  return labels;
}

// Every metric, once.
void UseEverything(DaemonMetrics& metrics) {
  for (const auto operation :
       {RpcOperation::kStatTask, RpcOperation::kStatLocalTask, RpcOperation::kListLocalTasks,
        RpcOperation::kListTaskEntries, RpcOperation::kDeleteTask, RpcOperation::kDeleteLocalTask,
        RpcOperation::kDeleteHost}) {
    metrics.Requested(operation);
    metrics.Failed(operation);
  }
  metrics.DownloadStarted(Labels());
  metrics.DownloadEnded(Labels(), {.result = DownloadOutcome::Result::kSucceeded});
  metrics.DownloadStarted(Labels());
  metrics.DownloadEnded(Labels(), {.result = DownloadOutcome::Result::kFailed});
  metrics.DownloadBlocked(TaskKind::kStandard);
  metrics.PrefetchStarted(Labels());
  metrics.PrefetchFailed(Labels());
  metrics.PieceDownloaded(TrafficType::kRemotePeer, TaskKind::kStandard, 1);
  metrics.UploadStarted();
  metrics.UploadFinished(TaskKind::kStandard, 1);
  metrics.Requested("http", SourceOperation::kGet);
  metrics.Failed("http", SourceOperation::kGet);
  metrics.Took("http", SourceOperation::kGet, milliseconds(3));
  metrics.RequestReceived();
  metrics.RequestFailed();
  metrics.RequestBecameTask();
}

// `type name labels` of every family on the page that is the daemon's own.
std::set<std::string> Families(const std::string& page) {
  std::map<std::string, std::string> types;
  std::map<std::string, std::set<std::string>> labels;
  std::istringstream lines(page);
  const std::regex sample(R"(dragonfly_client_([a-z_]+)(\{[^}]*\})? .*)");
  const std::regex label(R"re(([a-z_]+)=")re");
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, kind, name, type;
    words >> hash >> kind >> name >> type;
    if (hash == "#" && kind == "TYPE" && name.starts_with("dragonfly_client_")) {
      types[name.substr(17)] = type;
      continue;
    }
    std::smatch match;
    if (!std::regex_match(line, match, sample)) continue;
    std::string family = match[1];
    for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
      if (family.ends_with(suffix)) family.resize(family.size() - suffix.size());
    }
    const std::string text = match[2];
    for (std::sregex_iterator it(text.begin(), text.end(), label), end; it != end; ++it) {
      if ((*it)[1] != "le") labels[family].insert((*it)[1]);
    }
  }
  std::set<std::string> families;
  for (const auto& [name, type] : types) {
    std::string joined;
    for (const auto& one : labels[name]) joined += (joined.empty() ? "" : ",") + one;
    families.insert(joined.empty() ? StrCat(type, " ", name)
                                   : StrCat(type, " ", name, " ", joined));
  }
  return families;
}

TEST(DaemonMetricsTest, HasTheNamesTypesAndLabelsThatDashboardsAskFor) {
  const TempDir dir;
  const SystemClock clock;
  StorageOptions options;
  options.dir = dir.path();
  const auto storage = Storage::Open(std::move(options), clock);
  ASSERT_THAT(storage, IsOk());
  BlockingPool disk(1);
  DaemonMetrics metrics;
  const auto watch = metrics.WatchDisk(**storage, disk);
  UseEverything(metrics);

  std::set<std::string> expected;
  std::istringstream golden(*ReadFile(TestDataFile("dfdaemon_metrics.txt")));
  for (std::string line; std::getline(golden, line);) {
    if (!line.empty() && line.front() != '#') expected.insert(line);
  }
  EXPECT_THAT(Families(metrics.Render()), ::testing::ContainerEq(expected));
}

// A disk that does not answer until it is told to.
class HangingStorage final : public Storage {
 public:
  [[nodiscard]] std::shared_ptr<StoredTask> Find(TaskKind, const TaskId&) const override {
    return nullptr;
  }
  [[nodiscard]] std::vector<std::shared_ptr<StoredTask>> List() const override { return {}; }
  [[nodiscard]] std::vector<StoredTaskSummary> Summaries() const override { return {}; }
  absl::StatusOr<std::shared_ptr<StoredTask>> Create(TaskSpec) override { return nullptr; }
  absl::Status Remove(TaskKind, const TaskId&) override { return absl::OkStatus(); }
  absl::Status RemoveUnused(TaskKind, const TaskId&, WallTime) override { return absl::OkStatus(); }
  absl::StatusOr<bool> Inspect(TaskKind, const TaskId&) override { return false; }
  [[nodiscard]] absl::StatusOr<DiskUsage> Usage() const override {
    answer.wait();
    return DiskUsage{100, 60, 40};
  }
  std::shared_future<void> answer;
};

TEST(DaemonMetricsTest, ADiskThatHangsDoesNotHoldUpThePage) {
  std::promise<void> answer;
  HangingStorage storage;
  storage.answer = answer.get_future().share();
  BlockingPool disk(1);
  DaemonMetrics metrics;
  const auto watch = metrics.WatchDisk(storage, disk);
  EXPECT_THAT(metrics.Render(), Not(HasSubstr("disk_space_total")));
  answer.set_value();
  EXPECT_THAT(metrics.Render(), HasSubstr("dragonfly_client_disk_usage_space_total 60\n"));
}

TEST(DaemonMetricsTest, WritesKindsAndPrioritiesAsNumbers) {
  DaemonMetrics metrics;
  metrics.DownloadStarted(Labels());
  metrics.PieceDownloaded(TrafficType::kBackToSource, TaskKind::kPersistentCache, 42);
  const std::string page = metrics.Render();
  EXPECT_THAT(page, HasSubstr("dragonfly_client_concurrent_download_task_total{app=\"a\",priority="
                              "\"6\",tag=\"t\",type=\"0\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("dragonfly_client_download_traffic{task_type=\"2\",type="
                              "\"BACK_TO_SOURCE\"} 42\n"));
}

TEST(DaemonMetricsTest, ObservesTheDurationOfSuccessesOnly) {
  DaemonMetrics metrics;
  for (const auto result :
       {DownloadOutcome::Result::kFailed, DownloadOutcome::Result::kCallerLeft}) {
    metrics.DownloadStarted(Labels());
    metrics.DownloadEnded(Labels(), {.result = result});
  }
  EXPECT_THAT(metrics.Render(), Not(HasSubstr("download_task_duration_milliseconds_count")));
  metrics.DownloadStarted(Labels());
  metrics.DownloadEnded(Labels(), {.bytes = 5 * kMiB, .duration = std::chrono::milliseconds(3)});
  const std::string page = metrics.Render();
  EXPECT_THAT(page, HasSubstr("download_task_duration_milliseconds_bucket{task_size_level=\"3\","
                              "task_type=\"0\",le=\"2\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("task_size_level=\"3\",task_type=\"0\",le=\"4\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("download_task_failure_total{app=\"a\",priority=\"6\",tag=\"t\","
                              "type=\"0\"} 1\n"));
}

TEST(TaskSizeLevelTest, CutsAtTheOriginalsBounds) {
  EXPECT_EQ(TaskSizeLevel(0), 0);
  EXPECT_EQ(TaskSizeLevel(1), 1);
  EXPECT_EQ(TaskSizeLevel(kMiB - 1), 1);
  EXPECT_EQ(TaskSizeLevel(kMiB), 2);
  EXPECT_EQ(TaskSizeLevel(4 * kMiB), 3);
  EXPECT_EQ(TaskSizeLevel(kGiB - 1), 10);
  EXPECT_EQ(TaskSizeLevel(kGiB), 11);
  EXPECT_EQ(TaskSizeLevel(1024 * kGiB - 1), 19);
  EXPECT_EQ(TaskSizeLevel(1024 * kGiB), 20);
}

class AdminServersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto servers = RunCoro(client_runtime_, AdminServers::Listen({}, admin_.executor(), metrics_));
    ASSERT_THAT(servers, IsOk());
    servers_ = *std::move(servers);
  }
  void TearDown() override {
    RunCoro(client_runtime_, servers_->Stop(milliseconds(0)));
    RunCoro(client_runtime_, client_.Stop());
  }
  HttpClient::Reply Get(std::uint16_t port, std::string_view path) {
    HttpClientRequest request;
    request.url = StrCat("http://127.0.0.1:", port, path);
    auto reply = RunCoro(client_runtime_, client_.FetchToMemory(std::move(request), kMiB));
    EXPECT_THAT(reply, IsOk());
    return reply.ok() ? *std::move(reply) : HttpClient::Reply();
  }

  Runtime admin_{"admin", 1};
  Runtime client_runtime_{"client", 1};
  EndTogether ends_{&admin_, &client_runtime_};
  HttpClient client_{HttpClientOptions(), {client_runtime_.executor()}};
  DaemonMetrics metrics_;
  std::unique_ptr<AdminServers> servers_;
};

TEST_F(AdminServersTest, SaysThatItIsHealthy) {
  const auto reply = Get(servers_->health_port(), "/healthy");
  EXPECT_EQ(reply.head.status_code, 200);
  EXPECT_EQ(reply.body, "");
}

TEST_F(AdminServersTest, ShowsMetricsAsPrometheusReadsThem) {
  metrics_.RequestReceived();
  const auto reply = Get(servers_->metrics_port(), "/metrics");
  EXPECT_EQ(reply.head.status_code, 200);
  EXPECT_EQ(FindHeader(reply.head.headers, "content-type"), kMetricsContentType);
  EXPECT_THAT(reply.body, HasSubstr("dragonfly_client_proxy_request_total 1\n"));
}

TEST_F(AdminServersTest, SaysThatThereAreNoProfiles) {
  EXPECT_EQ(Get(servers_->stats_port(), "/debug/pprof/heap").head.status_code, 404);
}

TEST_F(AdminServersTest, NamesTheServerWhoseAddressIsTaken) {
  AdminServersOptions options;
  options.metrics.port = servers_->metrics_port();
  EXPECT_THAT(RunCoro(client_runtime_, AdminServers::Listen(options, admin_.executor(), metrics_)),
              StatusIs(absl::StatusCode::kUnavailable, "metrics server"));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
