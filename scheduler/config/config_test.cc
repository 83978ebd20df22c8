#include <gmock/gmock.h>

#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "scheduler/config/keys.h"
#include "scheduler/config/load.h"

namespace dragonfly::scheduler {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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
  const std::string file = TestDataFile("scheduler.yaml");
  const auto golden = ReadYamlFile(file);
  ASSERT_THAT(golden, IsOk());
  std::vector<std::string> expected;
  LeafPaths(*golden, "", expected);
  EXPECT_THAT(ConfigKeys().Paths(), testing::UnorderedElementsAreArray(expected));
  const auto loaded = LoadConfig(file);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings, IsEmpty());
  Config defaults;
  defaults.server.advertise_port = 8002;
  EXPECT_EQ(PrintConfig(loaded->config), PrintConfig(defaults));
}

TEST(ConfigTest, RunsWithoutAManagerWhenTheFileNamesNone) {
  const auto loaded = Read("");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_FALSE(loaded->config.manager.addr.has_value());
  const auto with = Read("manager: {addr: 'm:65003'}");
  ASSERT_THAT(with, IsOk());
  EXPECT_EQ(with->config.manager.addr, "m:65003");
}

TEST(ConfigTest, ReadsKeysInAnyCase) {
  const auto loaded = Read("{dynconfig: {refreshinterval: 2s}, SEEDPEER: {Enable: false}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->config.dynconfig_refresh_interval, std::chrono::seconds(2));
  EXPECT_FALSE(loaded->config.seed_peer.enable);
}

TEST(ConfigTest, AdvertisesThePortItListensOnUnlessToldOtherwise) {
  EXPECT_EQ(Read("server: {port: 9000}")->config.server.advertise_port, 9000);
  EXPECT_EQ(Read("server: {port: 9000, advertisePort: 1}")->config.server.advertise_port, 1);
}

TEST(ConfigTest, TakesRedisFromItsOldPlace) {
  const auto loaded =
      Read("job: {redis: {host: r, port: 6379, password: p, brokerDB: 3, backendDB: 4}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->config.redis.addrs, ElementsAre("r:6379"));
  EXPECT_EQ(loaded->config.redis.password, "p");
  // The new place has numbers of its own.
  EXPECT_EQ(loaded->config.redis.broker_db, 1U);
  EXPECT_THAT(loaded->warnings, IsEmpty());
}

TEST(ConfigTest, RefusesRedisOverTls) {
  EXPECT_THAT(Read("database: {redis: {addrs: ['r:6379'], tls: {caCert: ca.pem}}}"),
              StatusIs(absl::StatusCode::kInvalidArgument, "database.redis.tls"));
}

TEST(ConfigTest, SaysOnceWhatHasNoEffect) {
  const auto loaded = Read("{pprofPort: 6060, seedPeer: {taskDownloadTimeout: 1h}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings,
              ElementsAre("pprofPort has no effect in this version",
                          "seedPeer.taskDownloadTimeout has no effect in this version"));
}

TEST(ConfigTest, AcceptsKeysOfChartsThatNothingReads) {
  const auto loaded = Read(
      "{server: {workHome: a, dataDir: b}, storage: {maxSize: 1}, dynConfig: {type: manager}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings, IsEmpty());
}

TEST(ConfigTest, TakesEmptyAddressesAsAbsent) {
  const auto loaded = Read("server: {advertiseIP: '', listenIP: ''}");
  ASSERT_THAT(loaded, IsOk());
  Config config = loaded->config;
  FillFromHost(config);
  EXPECT_EQ(config.server.listen_ip, "0.0.0.0");
  EXPECT_FALSE(config.server.advertise_ip.empty());
  EXPECT_FALSE(config.server.host.empty());
}

struct BadCase {
  std::string yaml;
  std::string key;
};

class BadConfigTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadConfigTest, StopsTheStartWithFileAndKey) {
  const auto loaded = Read(GetParam().yaml);
  EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kInvalidArgument, "f.yaml"));
  EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kInvalidArgument, GetParam().key));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadConfigTest,
    testing::Values(BadCase{"server: {port: 0}", "server.port"},
                    BadCase{"server: {advertiseIP: x}", "server.advertiseIP"},
                    BadCase{"server: {tls: {}}", "server.tls.caCert"},
                    BadCase{"scheduler: {algorithm: ''}", "scheduler.algorithm"},
                    BadCase{"scheduler: {backToSourceCount: 0}", "scheduler.backToSourceCount"},
                    BadCase{"scheduler: {retryInterval: 0s}", "scheduler.retryInterval"},
                    BadCase{"manager: {addr: ''}", "manager.addr"},
                    BadCase{"manager: {addr: a, schedulerClusterID: 0}",
                            "manager.schedulerClusterID"},
                    BadCase{"manager: {addr: a, tls: {caCert: c}}", "manager.tls.cert"},
                    BadCase{"dynConfig: {refreshInterval: soon}", "dynConfig.refreshInterval"},
                    BadCase{"metrics: {enable: true, addr: ''}", "metrics.addr"}));

}  // namespace
}  // namespace dragonfly::scheduler
