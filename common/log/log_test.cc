#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "common/base/strings.h"
#include "common/base/types.h"
#include "common/log/limited_logger.h"
#include "common/log/logger.h"
#include "common/log/open_log.h"
#include "common/testing/captured_log.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace dragonfly {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string ReadOrDie(const std::string& path) { return ReadFile(path).value(); }

TEST(LoggerTest, WritesEventThenFieldsThenThoseOfTheOwner) {
  CapturedLog log;
  const TaskId id("0011");
  const Logger peer = log.logger().With({{"task_id", id}});
  peer.Info("download task started", {{"url", "https://a/library/alpine"}, {"pieces", 3}});
  // Both orders matter to those who grep: the URL, then task_id="…".
  EXPECT_THAT(log.lines(), ElementsAre("info download task started url=\"https://a/library/alpine\""
                                       " pieces=3 task_id=\"0011\""));
}

TEST(LoggerTest, WritesEveryKindOfValue) {
  CapturedLog log;
  log.logger().Warn("x", {{"a", true},
                          {"b", -1},
                          {"c", std::uint64_t{1} << 63U},
                          {"d", 0.5},
                          {"e", std::chrono::milliseconds(12)},
                          {"f", absl::UnavailableError("connection reset")},
                          {"g", std::string_view("v")}});
  EXPECT_THAT(log.lines(),
              ElementsAre("warn x a=true b=-1 c=9223372036854775808 d=0.5 e=12 "
                          "f=\"UNAVAILABLE: connection reset\" g=\"v\""));
}

TEST(LoggerTest, KeepsARecordOnOneLineOfValidUtf8) {
  CapturedLog log;
  log.logger().Info("x", {{"a", "1\n2\r\t\"\\\x01\xff"}, {"long", std::string(10'000, 'y')}});
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_THAT(log.lines()[0], HasSubstr("a=\"1\\n2\\r\\t\\\"\\\\\\u0001\xef\xbf\xbd\""));
  EXPECT_LT(log.lines()[0].size(), 9'000U);
}

TEST(LoggerTest, DiscardsByDefaultAndBelowTheLevel) {
  Logger().Error("nobody hears", {{"a", 1}});
  EXPECT_FALSE(Logger().Enabled(LogLevel::kError));
  CapturedLog log;
  const Logger copy = log.logger().With({{"a", 1}});
  log.logger().SetLevel(LogLevel::kWarn);
  copy.Info("left out");
  copy.Warn("written");
  EXPECT_THAT(log.lines(), ElementsAre("warn written a=1"));
}

TEST(LogLevelTest, NamesParseBackInAnyCase) {
  EXPECT_EQ(ParseLogLevel("Warn"), LogLevel::kWarn);
  EXPECT_EQ(ParseLogLevel(LogLevelName(LogLevel::kTrace)), LogLevel::kTrace);
  EXPECT_EQ(ParseLogLevel("verbose"), std::nullopt);
}

TEST(RedactUrlTest, DropsCredentialsQueryAndFragment) {
  EXPECT_EQ(RedactUrl("https://u:p@h:1/a/b?X-Amz-Signature=s#f"), "https://h:1/a/b");
  EXPECT_EQ(RedactUrl("https://h/a@b"), "https://h/a@b");
  EXPECT_EQ(RedactUrl("redis://:p@ss@h/0"), "redis://h/0");
  EXPECT_EQ(RedactUrl("u:p@h/x?y"), "h/x");
  EXPECT_EQ(RedactUrl("https://u:p@h?token"), "https://h");
  EXPECT_EQ(RedactUrl("https://u:p\\@h"), "https://u:p\\@h");
  EXPECT_EQ(RedactUrl(""), "");
}

TEST(LimitedLoggerTest, WritesOncePerIntervalAndCountsTheRest) {
  CapturedLog log;
  LimitedLogger limited(log.logger(), seconds(1));
  const SteadyTime start(seconds(100));
  for (int i = 0; i < 5; ++i) limited.Log(LogLevel::kWarn, "refused", {{"n", i}}, start);
  limited.Log(LogLevel::kWarn, "refused", {{"n", 5}}, start + seconds(1));
  limited.Log(LogLevel::kWarn, "refused", {{"n", 6}}, start + seconds(2));
  EXPECT_THAT(log.lines(), ElementsAre("warn refused n=0", "warn refused n=5 suppressed=4",
                                       "warn refused n=6"));
}

TEST(OpenLogTest, WritesTextLinesAndChannels) {
  TempDir dir;
  {
    const auto log = OpenLog({.dir = dir.File("logs"), .file = "dfdaemon.log", .channels = {"gc"}});
    ASSERT_THAT(log, IsOk());
    log->With({{"host_id", "h"}}).Info("started", {{"pid", 7}});
    log->Debug("left out");
    log->Channel("gc").Warn("evicted");
    log->Channel("nobody").Error("still here");
  }  // The end of the last logger waits for the file.
  EXPECT_THAT(ReadOrDie(dir.File("logs/dfdaemon.log")),
              MatchesRegex("[0-9-]+T[0-9:]+\\.[0-9]+[+-][0-9]+:[0-9]+  INFO started pid=7 "
                           "host_id=\"h\"\n.+ ERROR still here\n"));
  EXPECT_THAT(ReadOrDie(dir.File("logs/gc.log")), HasSubstr("  WARN evicted\n"));
}

TEST(OpenLogTest, WritesJsonObjects) {
  TempDir dir;
  {
    const auto log = OpenLog({.dir = dir.path(), .format = LogFormat::kJson});
    ASSERT_THAT(log, IsOk());
    log->With({{"hostID", "h"}}).Info("say \"hi\"", {{"n", 1}, {"x", std::nan("")}});
  }
  EXPECT_THAT(ReadOrDie(dir.File("core.log")),
              MatchesRegex("\\{\"level\":\"info\",\"ts\":\"[0-9-]+ [0-9:]+\\.[0-9][0-9][0-9]\","
                           "\"msg\":\"say \\\\\"hi\\\\\"\",\"n\":1,\"x\":null,\"hostID\":\"h\"\\}\n"));
}

TEST(OpenLogTest, RotatesBySizeAndKeepsTheNewestFiles) {
  TempDir dir;
  for (int round = 0; round < 2; ++round) {
    const auto log = OpenLog({.dir = dir.path(), .max_file_size = 1000, .max_old_files = 2});
    ASSERT_THAT(log, IsOk());
    for (int i = 0; i < 50; ++i) log->Info("line", {{"i", i}, {"text", std::string(50, 'x')}});
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    EXPECT_LE(entry.file_size(), 1000U) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 3U);
  EXPECT_THAT(ReadOrDie(dir.File("core.log")), HasSubstr("i=49 "));
}

TEST(OpenLogTest, DeletesFilesBeyondTheAgeAndLeavesOthersAlone) {
  TempDir dir;
  const std::string old = dir.File("core-2020-01-01T00-00-00.000.log");
  const std::string other = dir.File("corexy-2020-01-01T00-00-00.000.log");
  for (const std::string& path : {old, other}) {
    WriteFile(path, "x");
    std::filesystem::last_write_time(
        path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(100));
  }
  { ASSERT_THAT(OpenLog({.dir = dir.path(), .max_age = std::chrono::hours(99)}), IsOk()); }
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_TRUE(std::filesystem::exists(other));
}

TEST(OpenLogTest, LosesNothingWhileTheQueueSuffices) {
  TempDir dir;
  {
    const auto log = OpenLog({.dir = dir.path()});
    ASSERT_THAT(log, IsOk());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([logger = *log, t] {
        for (int i = 0; i < 500; ++i) logger.Info("line", {{"t", t}, {"i", i}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const std::string text = ReadOrDie(dir.File("core.log"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2000);
}

TEST(OpenLogTest, TellsWhichDirectoryCannotBeMade) {
  TempDir dir;
  WriteFile(dir.File("file"), "");
  EXPECT_THAT(OpenLog({.dir = dir.File("file/logs")}), Not(IsOk()));
  EXPECT_THAT(OpenLog({.dir = dir.File("file/logs")}).status().ToString(),
              HasSubstr(dir.File("file/logs")));
}

}  // namespace
}  // namespace dragonfly
