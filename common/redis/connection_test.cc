#include "common/redis/connection.h"

#include <optional>

#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/testing/matchers.h"
#include "common/testing/process.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"

namespace dragonfly::redis {
namespace {

class RedisConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = StartRedis(dir_.path());
    if (absl::IsNotFound(server.status())) GTEST_SKIP() << server.status();
    ASSERT_THAT(server, IsOk());
    server_.emplace(*std::move(server));
  }

  [[nodiscard]] Options To(const std::string& address) const {
    Options options;
    options.addresses = {address};
    return options;
  }
  void Configure(const std::vector<Command>& commands) {
    auto connection = Connection::Open(To(server_->address()));
    ASSERT_THAT(connection, IsOk());
    for (const Command& command : commands) ASSERT_THAT((*connection)->Run(command), IsOk());
  }
  [[nodiscard]] absl::Status Login(const std::string& user, const std::string& password) const {
    Options options = To(server_->address());
    options.username = user;
    options.password = password;
    return Connection::Open(options).status();
  }

  TempDir dir_;
  std::optional<RealServer> server_;
};

TEST_F(RedisConnectionTest, RunsCommandsInOneGo) {
  auto connection = Connection::Open(To(server_->address()));
  ASSERT_THAT(connection, IsOk());
  const std::string bytes("a\0b\r\n", 5);
  const std::vector<Command> commands = {
      {"HSET", "h", "f", bytes}, {"HGET", "h", "f"}, {"HGET", "h", "none"}, {"HKEYS", "h"}};
  const auto replies = (*connection)->Run(commands);
  ASSERT_THAT(replies, IsOk());
  ASSERT_EQ(replies->size(), 4U);
  EXPECT_EQ((*replies)[0].integer, 1);
  EXPECT_EQ((*replies)[1].text, bytes);
  EXPECT_EQ((*replies)[2].kind, Reply::Kind::kNothing);
  ASSERT_EQ((*replies)[3].list.size(), 1U);
  EXPECT_EQ((*replies)[3].list[0].text, "f");
  EXPECT_THAT((*connection)->Run({"HGET", "h"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "wrong number"));
  EXPECT_THAT((*connection)->Run({"PING"}), IsOk());
}

TEST_F(RedisConnectionTest, LogsInWithAPasswordAlone) {
  EXPECT_THAT(Login("", "none is wanted"), StatusIs(absl::StatusCode::kUnauthenticated));
  Configure({{"CONFIG", "SET", "requirepass", "s3cret/&@:"}});
  EXPECT_THAT(Login("", "s3cret/&@:"), IsOk());
  EXPECT_THAT(Login("", "wrong"), StatusIs(absl::StatusCode::kUnauthenticated, "pass"));
  EXPECT_THAT(Login("", ""), StatusIs(absl::StatusCode::kUnauthenticated, "NOAUTH"));
}

TEST_F(RedisConnectionTest, LogsInAsAUser) {
  Configure({{"ACL", "SETUSER", "dragonfly", "on", ">p:w", "~*", "+@all"}});
  EXPECT_THAT(Login("dragonfly", "p:w"), IsOk());
  EXPECT_THAT(Login("dragonfly", "other"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Login("nobody", "p:w"), StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(RedisConnectionTest, TriesAddressesInTurn) {
  Options options = To(StrCat("127.0.0.1:", FreePort()));
  EXPECT_THAT(Connection::Open(options), StatusIs(absl::StatusCode::kUnavailable));
  options.addresses.push_back(server_->address());
  EXPECT_THAT(Connection::Open(options), IsOk());
  options.addresses = {"here"};
  EXPECT_THAT(Connection::Open(options), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RedisConnectionTest, SaysWhenTheServerIsGone) {
  auto connection = Connection::Open(To(server_->address()));
  ASSERT_THAT(connection, IsOk());
  server_->process().Kill();
  EXPECT_THAT((*connection)->Run({"PING"}), StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_THAT(server_->Restart(), IsOk());
  EXPECT_THAT(Connection::Open(To(server_->address())), IsOk());
}

TEST_F(RedisConnectionTest, AsksSentinelsForTheMaster) {
  const std::string config = dir_.File("sentinel.conf");
  WriteFile(config, StrCat("sentinel monitor mine 127.0.0.1 ", server_->port(), " 1\n"));
  ProcessOptions options;
  options.argv = {*FindProgram("redis-server"), config, "--sentinel", "--port", "{port}",
                  "--bind", "127.0.0.1"};
  options.dir = dir_.path();
  options.output_file = dir_.File("sentinel.log");
  auto sentinel = RealServer::Start(options);
  ASSERT_THAT(sentinel, IsOk());
  Options to = To(sentinel->address());
  to.master_name = "mine";
  auto connection = Connection::Open(to);
  ASSERT_THAT(connection, IsOk());
  EXPECT_THAT((*connection)->Run({"SET", "k", "v"}), IsOk());
  to.master_name = "other";
  EXPECT_THAT(Connection::Open(to),
              StatusIs(absl::StatusCode::kUnavailable, "no master other"));
}

TEST(RedisClusterTest, FollowsToTheNodeThatOwnsTheKey) {
  if (!FindProgram("redis-server")) GTEST_SKIP() << "redis-server is not installed";
  TempDir dir;
  std::vector<RealServer> nodes;
  std::vector<std::uint16_t> buses;
  for (int i = 0; i < 2; ++i) {
    ProcessOptions options;
    buses.push_back(FreePort());
    options.argv = {*FindProgram("redis-server"), "--port", "{port}", "--bind", "127.0.0.1",
                    "--save", "", "--cluster-port", StrCat(buses.back()), "--cluster-enabled", "yes", "--cluster-config-file",
                    StrCat("nodes-", i, ".conf"), "--dir", dir.path()};
    options.dir = dir.path();
    absl::StatusOr<RealServer> node = RealServer::Start(options);
    ASSERT_THAT(node, IsOk());
    nodes.push_back(*std::move(node));
  }
  const auto run = [&](const RealServer& node, const Command& command) {
    Options options;
    options.addresses = {node.address()};
    auto connection = Connection::Open(options);
    return connection.ok() ? (*connection)->Run(command) : connection.status();
  };
  ASSERT_THAT(run(nodes[0], {"CLUSTER", "ADDSLOTSRANGE", "0", "8191"}), IsOk());
  ASSERT_THAT(run(nodes[1], {"CLUSTER", "ADDSLOTSRANGE", "8192", "16383"}), IsOk());
  ASSERT_THAT(run(nodes[0], {"CLUSTER", "MEET", "127.0.0.1", StrCat(nodes[1].port()),
                             StrCat(buses[1])}),
              IsOk());
  const auto ready = [&](const RealServer& node) {
    const auto info = run(node, {"CLUSTER", "INFO"});
    return info.ok() && info->text.find("cluster_state:ok") != std::string::npos;
  };
  ASSERT_TRUE(WaitFor([&] { return ready(nodes[0]) && ready(nodes[1]); }));

  Options options;
  options.addresses = {nodes[0].address(), nodes[1].address()};
  auto connection = Connection::Open(options);
  ASSERT_THAT(connection, IsOk());
  for (const char* const tag : {"a", "b", "c", "d", "e"}) {
    const std::vector<Command> commands = {{"SET", StrCat("x{", tag, "}"), tag},
                                           {"GET", StrCat("x{", tag, "}")}};
    const auto replies = (*connection)->Run(commands);
    ASSERT_THAT(replies, IsOk());
    EXPECT_EQ((*replies)[1].text, tag);
  }
}

}  // namespace
}  // namespace dragonfly::redis
