#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include "common/daemon/command_line.h"
#include "common/daemon/grpc_server_metrics.h"
#include "common/daemon/listen_address.h"
#include "common/daemon/signals.h"
#include "common/daemon/stop_list.h"
#include "common/metrics/exposition.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace dragonfly {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

CommandLine Parse(std::vector<const char*> arguments, bool has_dynconfig = true) {
  arguments.insert(arguments.begin(), "prog");
  return ParseCommandLine({"prog", "A program.", has_dynconfig}, static_cast<int>(arguments.size()),
                          arguments.data());
}

TEST(CommandLineTest, RunsWithDefaultsWhenNothingIsGiven) {
  const auto line = Parse({});
  EXPECT_TRUE(line.run);
  EXPECT_EQ(line.config, "/etc/dragonfly/prog.yaml");
  EXPECT_FALSE(line.config_is_explicit);
  EXPECT_FALSE(line.console);
}

TEST(CommandLineTest, TakesFlags) {
  const auto line = Parse({"--config", "/a.yaml", "--dynconfig=/b.yaml", "--console"});
  EXPECT_TRUE(line.run);
  EXPECT_EQ(line.config, "/a.yaml");
  EXPECT_TRUE(line.config_is_explicit);
  EXPECT_EQ(line.dynconfig, "/b.yaml");
  EXPECT_TRUE(line.console);
}

TEST(CommandLineTest, TakesTheFileFromTheEnvironment) {
  setenv("PROG_CONFIG", "/env.yaml", 1);
  const auto line = Parse({});
  unsetenv("PROG_CONFIG");
  EXPECT_EQ(line.config, "/env.yaml");
  EXPECT_TRUE(line.config_is_explicit);
}

TEST(CommandLineTest, PrintsNineLinesOfVersion) {
  const auto line = Parse({"version"});
  EXPECT_FALSE(line.run);
  EXPECT_EQ(line.exit_code, 0);
  EXPECT_EQ(std::count(line.out.begin(), line.out.end(), '\n'), 9);
  EXPECT_THAT(line.out, StartsWith("MajorVersion:\t"));
  EXPECT_THAT(line.out, HasSubstr("\nGitVersion:\tv"));
  EXPECT_THAT(Parse({"--version"}).out, StartsWith("prog "));
}

TEST(CommandLineTest, RefusesWhatItDoesNotKnow) {
  const auto command = Parse({"bogus"});
  EXPECT_EQ(command.exit_code, 1);
  EXPECT_EQ(command.error, "Error: unknown command \"bogus\" for \"prog\"\n");
  const auto flag = Parse({"--bogus"});
  EXPECT_EQ(flag.exit_code, 1);
  EXPECT_EQ(flag.error, "Error: unknown flag: --bogus\n");
  EXPECT_EQ(Parse({"--dynconfig", "x"}, false).exit_code, 1);
}

TEST(CommandLineTest, PrintsHelpOnRequest) {
  for (const char* argument : {"help", "-h", "--help"}) {
    const auto line = Parse({argument});
    EXPECT_FALSE(line.run);
    EXPECT_EQ(line.exit_code, 0);
    EXPECT_THAT(line.out, HasSubstr("--config")) << argument;
  }
}

TEST(CommandLineTest, WritesItsHelpAsMarkdown) {
  const TempDir dir;
  const std::string path = dir.File("doc");
  EXPECT_EQ(Parse({"doc", "--path", path.c_str()}).exit_code, 0);
  EXPECT_THAT(ReadFile(path + "/prog.md"), IsOkAndHolds(HasSubstr("--config")));
}

TEST(ListenAddressTest, ReadsGoAddresses) {
  EXPECT_THAT(ParseListenAddress(":8000", "0.0.0.0"), IsOkAndHolds(ListenAddress{"0.0.0.0", 8000}));
  EXPECT_THAT(ParseListenAddress(":8000", "::"), IsOkAndHolds(ListenAddress{"::", 8000}));
  EXPECT_THAT(ParseListenAddress("10.0.0.1:0", "::"), IsOkAndHolds(ListenAddress{"10.0.0.1", 0}));
  EXPECT_THAT(ParseListenAddress("[fd00::1]:80", "::"), IsOkAndHolds(ListenAddress{"fd00::1", 80}));
  EXPECT_THAT(ParseListenAddress("localhost:80", "::"),
              IsOkAndHolds(ListenAddress{"127.0.0.1", 80}));
}

TEST(ListenAddressTest, RefusesOthers) {
  for (const char* text : {"", "8000", ":", ":http", ":65536", "host:80", "10.0.0:80", ":-1"}) {
    EXPECT_THAT(ParseListenAddress(text, "::"), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(ListenAddressTest, JoinsWithBracketsForIpv6) {
  EXPECT_EQ(JoinHostPort("10.0.0.1", 80), "10.0.0.1:80");
  EXPECT_EQ(JoinHostPort("fd00::1", 80), "[fd00::1]:80");
}

TEST(SignalsTest, LevelComesBackToInfo) {
  LogLevel level = LogLevel::kInfo;
  level = NextLevel(level);
  EXPECT_EQ(level, LogLevel::kDebug);
  for (int step = 0; step < 3; ++step) level = NextLevel(level);
  EXPECT_EQ(level, LogLevel::kInfo);
}

TEST(StopListTest, RunsBackwardsAndOnce) {
  std::vector<int> order;
  StopList list{Logger()};
  list.Add("first", [&] { order.push_back(1); });
  list.Add("second", [&] { order.push_back(2); });
  list.Run();
  list.Run();
  EXPECT_THAT(order, ElementsAre(2, 1));
}

TEST(GrpcServerMetricsTest, CountsCallsWithTheLabelsOfGo) {
  MetricsPage page;
  const auto observer = MakeGrpcServerMetrics(page.registry());
  observer->CallStarted("/some.Service/Method");
  observer->CallEnded("/some.Service/Method", absl::StatusCode::kNotFound, Duration());
  const std::string text = page.Render();
  EXPECT_THAT(text, HasSubstr("grpc_server_started_total{grpc_method=\"Method\","
                              "grpc_service=\"some.Service\",grpc_type=\"unary\"} 1"));
  EXPECT_THAT(text, HasSubstr("grpc_code=\"NotFound\""));
}

}  // namespace
}  // namespace dragonfly
