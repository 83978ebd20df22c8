#include <gmock/gmock.h>

#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "manager/config/keys.h"
#include "manager/config/load.h"

namespace dragonfly::manager {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
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
  const std::string file = TestDataFile("manager.yaml");
  const auto golden = ReadYamlFile(file);
  ASSERT_THAT(golden, IsOk());
  std::vector<std::string> expected;
  LeafPaths(*golden, "", expected);
  EXPECT_THAT(ConfigKeys().Paths(), testing::UnorderedElementsAreArray(expected));
  const auto loaded = LoadConfig(file);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings, IsEmpty());
  Config defaults;
  defaults.database.type = "sqlite";
  EXPECT_EQ(PrintConfig(loaded->config), PrintConfig(defaults));
}

TEST(ConfigTest, TakesAnEmptyFileForDefaults) {
  const auto loaded = Read("");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->config.database.type, "sqlite");
}

TEST(ConfigTest, ReadsKeysInAnyCase) {
  const auto loaded = Read("SERVER: {GRPC: {listenip: 127.0.0.1, PORT: {Start: 7, end: 9}}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->config.server.grpc.listen_ip, "127.0.0.1");
  EXPECT_EQ(loaded->config.server.grpc.port_start, 7);
  EXPECT_EQ(loaded->config.server.grpc.port_end, 9);
}

TEST(ConfigTest, FileThatNamesAMysqlHostMeansMysql) {
  const auto loaded = Read("database: {mysql: {host: db, user: u, password: p}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->config.database.type, "mysql");
}

TEST(ConfigTest, TakesTheOldPairOfRedisHostAndPort) {
  const auto loaded = Read("database: {redis: {host: r, port: 6379}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->config.database.redis.addrs, ElementsAre("r:6379"));
}

TEST(ConfigTest, TakesTlsFromWhereTheChartPutsIt) {
  const auto loaded = Read("server: {tls: {caCert: a, cert: b, key: c}}");
  ASSERT_THAT(loaded, IsOk());
  ASSERT_TRUE(loaded->config.server.grpc_tls.has_value());
  EXPECT_EQ(loaded->config.server.grpc_tls->cert, "b");
  EXPECT_THAT(loaded->warnings, Contains(HasSubstr("tls")));
}

TEST(ConfigTest, AcceptsKeysOfChartsThatNothingReads) {
  const auto loaded = Read(
      "{server: {workHome: a, dataDir: b}, job: {rateLimit: {fillInterval: 1m}, gc: {ttl: 1m}, "
      "preheat: {registryTimeout: 1m}}, metrics: {enablePeerGauge: true}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings, IsEmpty());
}

TEST(ConfigTest, WarnsOfUnknownKeysAndOfWhatHasNoEffect) {
  const auto loaded = Read("{nonsense: 1, database: {redis: {addrs: ['r:6379']}}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings, ElementsAre(HasSubstr("nonsense"), HasSubstr("database.redis")));
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
    testing::Values(BadCase{"server: {grpc: {listenIP: nowhere}}", "server.grpc.listenIP"},
                    BadCase{"server: {grpc: {port: {start: 70000}}}", "server.grpc.port.start"},
                    BadCase{"server: {grpc: {port: 65003}}", "server.grpc.port"},
                    BadCase{"server: {grpc: {tls: {cert: a}}}", "server.grpc.tls.caCert"},
                    BadCase{"server: {rest: {tls: {cert: a}}}", "server.rest.tls.key"},
                    BadCase{"database: {type: oracle}", "database.type"},
                    BadCase{"database: {type: mysql}", "database.mysql.user"},
                    BadCase{"auth: {jwt: {timeout: 0}}", "auth.jwt.timeout"},
                    BadCase{"job: {syncPeers: {interval: 12h}}", "job.syncPeers.interval"},
                    BadCase{"metrics: {enable: true, addr: ''}", "metrics.addr"}));

TEST(ConfigTest, PrintsSecretsAsStars) {
  const auto loaded = Read(
      "{auth: {jwt: {key: hush}}, database: {mysql: {password: hush}, redis: {password: hush}}}");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(PrintConfig(loaded->config), testing::Not(HasSubstr("hush")));
  EXPECT_THAT(PrintConfig(loaded->config), HasSubstr("***"));
}

TEST(ConfigTest, FillsAddressesFromTheMachine) {
  Config config;
  FillFromHost(config);
  EXPECT_EQ(config.server.grpc.listen_ip, "0.0.0.0");
  EXPECT_FALSE(config.server.grpc.advertise_ip.empty());
}

}  // namespace
}  // namespace dragonfly::manager
