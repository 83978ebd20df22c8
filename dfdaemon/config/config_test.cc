#include <algorithm>

#include <gmock/gmock.h>

#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "dfdaemon/config/keys.h"
#include "dfdaemon/config/load.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<LoadedConfig> Read(std::string_view yaml) {
  auto root = ParseYaml(yaml);
  if (!root.ok()) return root.status();
  return ReadConfig(*root, "f.yaml");
}

void LeafPaths(const ConfigNode& node, const std::string& path, std::vector<std::string>& out) {
  const bool is_block = node.kind == ConfigNode::Kind::kMap && !node.entries.empty();
  if (!is_block) {
    out.push_back(path);
    return;
  }
  for (const auto& [key, value] : node.entries) {
    LeafPaths(value, path.empty() ? key : StrCat(path, ".", key), out);
  }
}

TEST(ConfigTest, HasExactlyTheKeysAndDefaultsOfTheGoldenFile) {
  const std::string file = TestDataFile("dfdaemon.yaml");
  const auto golden = ReadYamlFile(file);
  ASSERT_THAT(golden, IsOk());
  std::vector<std::string> expected;
  LeafPaths(*golden, "", expected);
  EXPECT_THAT(ConfigKeys().Paths(), ::testing::UnorderedElementsAreArray(expected));
  const auto loaded = LoadConfig(file);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings, IsEmpty());
  EXPECT_EQ(PrintConfig(loaded->config), PrintConfig(Config()));
}

TEST(ConfigTest, TakesAnEmptyFileForDefaults) {
  const auto loaded = Read("");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(PrintConfig(loaded->config), PrintConfig(Config()));
}

TEST(ConfigTest, ReadsUnitsOfDurationsAndSizes) {
  const auto loaded = Read(R"(
download: {bandwidthLimit: 500MB, pieceTimeout: 1m 30s}
gc: {policy: {taskTTL: 720h, diskThreshold: 1.5GiB}}
storage: {writeBufferSize: 65536})");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->config.download.bandwidth_limit, 500'000'000U);
  EXPECT_EQ(loaded->config.download.piece_timeout, seconds(90));
  EXPECT_EQ(loaded->config.gc.task_ttl, hours(720));
  EXPECT_EQ(loaded->config.gc.disk_threshold, 1'610'612'736U);
  EXPECT_EQ(loaded->config.storage.write_buffer_size, 65536U);
}

TEST(ConfigTest, TakesOlderNamesOfKeysAndSaysSo) {
  const auto loaded = Read(R"(
download: {rateLimit: 1GiB}
upload: {rateLimit: 2GiB}
proxy: {prefetchRateLimit: 3GiB}
gc: {policy: {distThreshold: 4GiB, distHighThresholdPercent: 90, distLowThresholdPercent: 70}}
network: {enableIpv6: true})");
  ASSERT_THAT(loaded, IsOk());
  const Config& config = loaded->config;
  EXPECT_EQ(config.download.bandwidth_limit, kGiB);
  EXPECT_EQ(config.upload.bandwidth_limit, 2 * kGiB);
  EXPECT_EQ(config.proxy.prefetch_bandwidth_limit, 3 * kGiB);
  EXPECT_EQ(config.gc.disk_threshold, 4 * kGiB);
  EXPECT_EQ(config.gc.disk_high_threshold_percent, 90U);
  EXPECT_EQ(config.gc.disk_low_threshold_percent, 70U);
  EXPECT_TRUE(config.enable_ipv6);
  EXPECT_THAT(loaded->warnings, Contains(HasSubstr("the key is now download.bandwidthLimit")));
}

TEST(ConfigTest, WarnsOfUnknownKeysButNotOfThoseOfExistingFiles) {
  const auto loaded = Read(R"(
scheduler: {enableBackToSource: true}
seedPeer: {enable: true, clusterID: 1, keepaliveInterval: 15s, type: super}
security: {enable: false}
download: {concurentPieceCount: 3})");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings,
              ElementsAre("f.yaml:5: download.concurentPieceCount: unknown key, ignored"));
}

TEST(ConfigTest, ASeedPeerBlockWithoutTypeIsASuperSeed) {
  EXPECT_EQ(Read("seedPeer: {enable: true}")->config.host_type(), 1U);
  EXPECT_EQ(Read("seedPeer: {enable: true, type: normal}")->config.host_type(), 0U);
  EXPECT_EQ(Read("seedPeer: {enable: false}")->config.host_type(), 0U);
  EXPECT_EQ(Read("{}")->config.seed_peer.type, "normal");
}

TEST(ConfigTest, ReadsRulesOfTheProxy) {
  const auto loaded = Read(R"(
proxy:
  rules:
    - regex: blobs/sha256.*
    - {regex: some-registry, useTLS: true, redirect: another-registry, filteredQueryParams: []})");
  ASSERT_THAT(loaded, IsOk());
  const auto& rules = loaded->config.proxy.rules;
  ASSERT_EQ(rules.size(), 2U);
  EXPECT_EQ(rules[0].regex, "blobs/sha256.*");
  EXPECT_FALSE(rules[0].filtered_query_params.has_value());
  EXPECT_TRUE(rules[1].use_tls);
  EXPECT_EQ(rules[1].redirect, "another-registry");
  EXPECT_THAT(*rules[1].filtered_query_params, IsEmpty());
}

TEST(ConfigTest, RefusesBadValuesWithFileKeyAndReason) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"upload: {server: {port: 70000}}", "upload.server.port"},
      {"upload: {server: {ip: nonsense}}", "upload.server.ip"},
      {"download: {concurrentPieceCount: 0}", "download.concurrentPieceCount"},
      {"download: {pieceTimeout: 30}", "download.pieceTimeout"},
      {"download: {bandwidthLimit: fast}", "download.bandwidthLimit"},
      {"scheduler: {maxScheduleCount: 0}", "scheduler.maxScheduleCount"},
      {"gc: {policy: {diskHighThresholdPercent: 100}}", "gc.policy.diskHighThresholdPercent"},
      {"gc: {policy: {diskLowThresholdPercent: 90}}", "gc.policy.diskLowThresholdPercent"},
      {"seedPeer: {type: strong}", "seedPeer.type"},
      {"manager: {addr: 'manager:65003'}", "manager.addr"},
      {"proxy: {registryMirror: {addr: docker.io}}", "proxy.registryMirror.addr"},
      {"proxy: {server: {basicAuth: {username: a}}}", "proxy.server.basicAuth"},
      {"proxy: {rules: [{regex: [1]}]}", "proxy.rules[0].regex"},
      {"tracing: {protocol: smoke}", "tracing.protocol"},
      {"storage: {dir: ''}", "storage.dir"},
      {"host: text", "host"},
  };
  for (const auto& [yaml, key] : table) {
    const auto loaded = Read(yaml);
    EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument) << yaml;
    EXPECT_THAT(std::string(loaded.status().message()),
                AllOf(HasSubstr("f.yaml:1: "), HasSubstr(key)))
        << yaml;
  }
}

TEST(ConfigTest, PrintsNoSecrets) {
  const auto loaded = Read(R"(
proxy: {server: {basicAuth: {username: admin, password: hunter2}}}
backend: {requestHeader: {Authorization: Bearer hunter2}})");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(PrintConfig(loaded->config), ::testing::Not(HasSubstr("hunter2")));
}

TEST(ConfigTest, SaysThatThereIsNoFile) {
  EXPECT_THAT(LoadConfig("/none.yaml"), StatusIs(absl::StatusCode::kNotFound, "/none.yaml"));
}

TEST(FillFromHostTest, TakesFromTheMachineOnlyWhatTheFileLeavesOpen) {
  Config config;
  config.host.ip = "10.0.0.1";
  config.upload.server_ip = "10.0.0.2";
  ASSERT_THAT(FillFromHost({"node", "192.0.2.1", "2001:db8::1"}, config), IsOk());
  EXPECT_EQ(config.host.hostname, "node");
  EXPECT_EQ(config.host.ip, "10.0.0.1");
  EXPECT_EQ(config.upload.server_ip, "10.0.0.2");
  EXPECT_EQ(config.proxy.server_ip, "0.0.0.0");
}

TEST(FillFromHostTest, PrefersIpv6WhereItIsEnabled) {
  Config config;
  config.enable_ipv6 = true;
  ASSERT_THAT(FillFromHost({"node", "192.0.2.1", "2001:db8::1"}, config), IsOk());
  EXPECT_EQ(config.host.ip, "2001:db8::1");
  EXPECT_EQ(config.proxy.server_ip, "::");
  Config v4;
  ASSERT_THAT(FillFromHost({"node", "192.0.2.1", "2001:db8::1"}, v4), IsOk());
  EXPECT_EQ(v4.host.ip, "192.0.2.1");
}

TEST(FillFromHostTest, NeedsAnAddressThatOthersCanReach) {
  Config config;
  EXPECT_TRUE(NeedsLocalNames(config));
  EXPECT_THAT(FillFromHost({"node", "127.0.0.1", "::1"}, config),
              StatusIs(absl::StatusCode::kFailedPrecondition, "host.ip"));
}

TEST(DynconfigTest, IsMadeWithDefaultsWhenThereIsNone) {
  const TempDir dir;
  const std::string path = dir.File("sub/dynconfig.yaml");
  const auto made = LoadDynconfig(path);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->scheduler_addr, "dragonfly-scheduler:8002");
  EXPECT_THAT(LoadDynconfig(path), IsOk());
  EXPECT_THAT(ReadFile(path), IsOkAndHolds(HasSubstr("dragonfly-scheduler:8002")));
}

TEST(DynconfigTest, NamesWhatMustNotBeDownloaded) {
  const TempDir dir;
  WriteFile(dir.File("d.yaml"), R"(
scheduler: {addr: "s:8002"}
clientConfig:
  blockList:
    task: {download: {applications: [a], urls: ["^http://x"], tags: [t], priorities: [1, 2]}}
    persistentTask: {upload: {applications: [b]}}
seedClientConfig: {blockList: {task: {download: {tags: [s]}}}}
)");
  const auto loaded = LoadDynconfig(dir.File("d.yaml"));
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->blocked.applications, ElementsAre("a"));
  EXPECT_THAT(loaded->blocked.urls, ElementsAre("^http://x"));
  EXPECT_THAT(loaded->blocked.tags, ElementsAre("t"));
  EXPECT_THAT(loaded->blocked.priorities, ElementsAre(1, 2));
  EXPECT_THAT(loaded->blocked_for_seeds.tags, ElementsAre("s"));
}

TEST(DynconfigTest, NamesItsSchedulers) {
  const TempDir dir;
  WriteFile(dir.File("d.yaml"), R"({"scheduler": {"addrs": ["10.0.0.1:8002", "s2:8002"]}})");
  const auto loaded = LoadDynconfig(dir.File("d.yaml"));
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->scheduler_addrs, ElementsAre("10.0.0.1:8002", "s2:8002"));
  WriteFile(dir.File("d.yaml"), "scheduler: {addrs: 1");
  EXPECT_THAT(LoadDynconfig(dir.File("d.yaml")),
              StatusIs(absl::StatusCode::kInvalidArgument, "d.yaml"));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
