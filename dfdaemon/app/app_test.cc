#include <sys/stat.h>

#include <csignal>

#include <gmock/gmock.h>

#include "common/async/runtime.h"
#include "common/base/strings.h"
#include "common/http/client.h"
#include "common/testing/matchers.h"
#include "common/testing/process.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "dfdaemon/app/cpus.h"
#include "dfdaemon/app/flags.h"
#include "dfdaemon/app/identity.h"
#include "dfdaemon/app/options.h"

namespace dragonfly::dfdaemon {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

CommandLine Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "dfdaemon");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

TEST(FlagsTest, HasTheDefaultsOfTheOriginal) {
  const CommandLine command = Parse({});
  ASSERT_TRUE(command.run) << command.text;
  EXPECT_EQ(command.flags.config, "/etc/dragonfly/dfdaemon.yaml");
  EXPECT_EQ(command.flags.dynconfig, "/etc/dragonfly/dynconfig.yaml");
  EXPECT_EQ(command.flags.log_level, "info");
  EXPECT_EQ(command.flags.log_dir, "/var/log/dragonfly/dfdaemon");
  EXPECT_EQ(command.flags.log_max_files, 6U);
  EXPECT_EQ(command.flags.log_max_file_size, kGiB);
  EXPECT_FALSE(command.flags.console);
}

TEST(FlagsTest, PrefersFlagsToTheEnvironment) {
  ::setenv("DFDAEMON_LOG_DIR", "/env", 1);
  ::setenv("DFDAEMON_CONFIG", "/env.yaml", 1);
  const CommandLine command = Parse({"-c", "/flag.yaml", "--console"});
  ::unsetenv("DFDAEMON_LOG_DIR");
  ::unsetenv("DFDAEMON_CONFIG");
  EXPECT_EQ(command.flags.config, "/flag.yaml");
  EXPECT_EQ(command.flags.log_dir, "/env");
  EXPECT_TRUE(command.flags.console);
}

TEST(FlagsTest, RefusesWhatItDoesNotKnow) {
  for (const auto& arguments : std::vector<std::vector<const char*>>{{"--nope"},
                                                                     {"--log-level", "loud"},
                                                                     {"--log-max-files", "0"},
                                                                     {"--log-max-file-size", "big"},
                                                                     {"argument"}}) {
    const CommandLine command = Parse(arguments);
    EXPECT_FALSE(command.run);
    EXPECT_EQ(command.exit_code, 2);
    EXPECT_THAT(command.text, StartsWith("error: "));
  }
}

TEST(FlagsTest, SaysWhichVersionItIs) {
  const CommandLine command = Parse({"-V"});
  EXPECT_FALSE(command.run);
  EXPECT_EQ(command.exit_code, 0);
  EXPECT_THAT(command.text, StartsWith("dfdaemon "));
}

Config FilledConfig() {
  Config config;
  config.host.hostname = "node";
  config.host.ip = "10.0.0.1";
  return config;
}

TEST(IdentityTest, ASeedSaysSoInItsId) {
  Config config = FilledConfig();
  EXPECT_EQ(MakeIdentity(config, {}).id.str(), "10.0.0.1-node");
  EXPECT_EQ(MakeIdentity(config, {}).type, 0U);
  config.seed_peer = {.enable = true, .type = "super"};
  EXPECT_EQ(MakeIdentity(config, {}).id.str(), "10.0.0.1-node-seed");
  EXPECT_EQ(MakeIdentity(config, {}).type, 1U);
  config.seed_peer.type = "normal";
  EXPECT_EQ(MakeIdentity(config, {}).id.str(), "10.0.0.1-node-seed");
  EXPECT_EQ(MakeIdentity(config, {}).type, 0U);
}

TEST(IdentityTest, IsNamedAfterItsPod) {
  EXPECT_EQ(MakeIdentity(FilledConfig(), {"ns", "pod"}).name, "ns-pod");
  EXPECT_EQ(MakeIdentity(FilledConfig(), {"ns", std::nullopt}).name, "node");
}

TEST(OptionsTest, CarriesRulesAndLimitsOfTheProxy) {
  Config config = FilledConfig();
  config.proxy.server_ip = "0.0.0.0";
  ProxyRuleConfig rule;
  rule.regex = "blobs/sha256.*";
  rule.use_tls = true;
  config.proxy.rules = {rule};
  config.proxy.prefetch = true;
  const ProxyOptions options = MakeProxyOptions(config, Logger());
  ASSERT_EQ(options.rules.size(), 1U);
  EXPECT_EQ(options.rules[0].regex, "blobs/sha256.*");
  EXPECT_TRUE(options.rules[0].use_tls);
  EXPECT_TRUE(options.prefetch);
  EXPECT_EQ(options.host_ip, "10.0.0.1");
}

TEST(CpusTest, FindsAtLeastOne) { EXPECT_GE(AllowedCpus(), 1U); }

// The program itself, without a cluster.
class DfdaemonTest : public ::testing::Test {
 protected:
  [[nodiscard]] ProcessOptions Command() const {
    const char* bin = std::getenv("DF_BIN_DIR");
    ProcessOptions options;
    options.argv = {std::string(bin == nullptr ? "." : bin) + "/dfdaemon",
                    "--config",
                    dir_.File("dfdaemon.yaml"),
                    "--dynconfig",
                    dir_.File("dynconfig.yaml"),
                    "--log-dir",
                    dir_.File("log"),
                    "--console"};
    options.output_file = dir_.File("output");
    return options;
  }
  [[nodiscard]] std::string Output() const { return ReadFile(dir_.File("output")).value_or(""); }

  TempDir dir_;
};

TEST_F(DfdaemonTest, SaysWhichFileItCannotRead) {
  auto process = Process::Start(Command());
  ASSERT_THAT(process, IsOk());
  EXPECT_THAT(process->Wait(), IsOkAndHolds(1));
  EXPECT_THAT(Output(), HasSubstr("Load config " + dir_.File("dfdaemon.yaml") +
                                  " error: No such file or directory (os error 2)"));
}

TEST_F(DfdaemonTest, SaysWhichKeyIsWrong) {
  WriteFile(dir_.File("dfdaemon.yaml"), "upload: {server: {port: many}}");
  auto process = Process::Start(Command());
  ASSERT_THAT(process, IsOk());
  EXPECT_THAT(process->Wait(), IsOkAndHolds(1));
  EXPECT_THAT(Output(), HasSubstr("dfdaemon.yaml:1: upload.server.port: "));
}

TEST_F(DfdaemonTest, ServesWithoutASchedulerAndStopsOnASignal) {
  const std::uint16_t health = FreePort();
  const auto server = [](std::uint16_t port) {
    return StrCat("{server: {ip: 127.0.0.1, port: ", port, "}}\n");
  };
  WriteFile(
      dir_.File("dfdaemon.yaml"),
      StrCat("host: {hostname: node, ip: 127.0.0.1}\n", "server: {cacheDir: ", dir_.File("cache"),
             "}\n", "download: {server: {socketPath: ", dir_.File("d.sock"), "}}\n",
             "storage: {dir: ", dir_.File("storage"), ", server: {ip: 127.0.0.1, tcpPort: 0}}\n",
             "upload: ", server(FreePort()), "proxy: ", server(0), "metrics: ", server(0),
             "stats: ", server(0), "health: ", server(health)));
  WriteFile(dir_.File("dynconfig.yaml"),
            StrCat("scheduler: {addrs: ['127.0.0.1:", FreePort(), "']}"));
  auto process = Process::Start(Command());
  ASSERT_THAT(process, IsOk());

  Runtime runtime("client", 1);
  HttpClient client({}, {runtime.executor()});
  const auto healthy = [&] {
    HttpClientRequest request;
    request.url = StrCat("http://127.0.0.1:", health, "/healthy");
    const auto reply = RunCoro(runtime, client.FetchToMemory(std::move(request), 1024));
    return reply.ok() && reply->head.status_code == 200;
  };
  EXPECT_TRUE(WaitFor(healthy)) << Output();
  RunCoro(runtime, client.Stop());
  struct stat info{};
  ASSERT_EQ(::stat(dir_.File("d.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0777U);

  process->Signal(SIGTERM);
  EXPECT_THAT(process->Wait(), IsOkAndHolds(0)) << Output();
  EXPECT_NE(::stat(dir_.File("d.sock").c_str(), &info), 0) << "the socket is removed";
}

}  // namespace
}  // namespace dragonfly::dfdaemon
