// The program as a process: how it starts, what it says, how it stops.

#include <csignal>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/rpc/channel.h"
#include "common/rpc/health.h"
#include "common/testing/matchers.h"
#include "common/testing/process.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"

namespace dragonfly::manager {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

class ManagerProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteFile(dir_.File("manager.yaml"),
              StrCat("server: {logDir: ", dir_.path(),
                     ", grpc: {listenIP: 127.0.0.1, port: {start: ", grpc_port_,
                     "}}, rest: {addr: '127.0.0.1:", FreePort(),
                     "'}}\ndatabase: {sqlite: {path: ", dir_.File("manager.db"), "}}\n"));
  }
  absl::StatusOr<Process> Start(std::vector<std::string> flags = {"--console"}) {
    ProcessOptions options;
    options.argv = {StrCat(std::getenv("DF_BIN_DIR"), "/manager"), "--config",
                    dir_.File("manager.yaml")};
    options.argv.insert(options.argv.end(), flags.begin(), flags.end());
    options.output_file = dir_.File("output");
    return Process::Start(options);
  }
  bool Healthy() {
    const auto channel = rpc::Connect(StrCat("127.0.0.1:", grpc_port_));
    return channel.ok() && RunCoro(rpc::CheckHealth(*channel, "", milliseconds(500))).ok();
  }
  std::string Output() { return ReadFile(dir_.File("output")).value_or(""); }

  TempDir dir_;
  const std::uint16_t grpc_port_ = FreePort();
};

TEST_F(ManagerProcessTest, StartsServesAndStopsOnSigterm) {
  auto process = Start();
  ASSERT_THAT(process, IsOk());
  ASSERT_TRUE(WaitFor([this] { return Healthy(); })) << Output();
  process->Signal(SIGTERM);
  EXPECT_THAT(process->Wait(), IsOkAndHolds(0)) << Output();
  EXPECT_THAT(Output(), HasSubstr("manager has stopped"));
}

TEST_F(ManagerProcessTest, TellsTheFirstPasswordOnce) {
  for (const bool first : {true, false}) {
    auto process = Start();
    ASSERT_THAT(process, IsOk());
    ASSERT_TRUE(WaitFor([this] { return Healthy(); })) << Output();
    process->Signal(SIGINT);
    EXPECT_THAT(process->Wait(), IsOkAndHolds(0));
    const std::string told = "root was created with the password";
    if (first) {
      EXPECT_THAT(Output(), HasSubstr(told));
    } else {
      EXPECT_THAT(Output(), Not(HasSubstr(told)));
    }
    WriteFile(dir_.File("output"), "");
  }
}

TEST_F(ManagerProcessTest, WritesFilesAndKeepsItsOutputThereWithoutConsole) {
  auto process = Start({});
  ASSERT_THAT(process, IsOk());
  ASSERT_TRUE(WaitFor([this] { return Healthy(); })) << Output();
  EXPECT_TRUE(WaitFor([this] {
    const auto log = ReadFile(dir_.File("manager/core.log"));
    return log.ok() && log->find("manager is running") != std::string::npos;
  }));
}

TEST_F(ManagerProcessTest, SaysWhyItDoesNotStart) {
  WriteFile(dir_.File("manager.yaml"), "database: {type: mysql, mysql: {host: h, user: u}}\n");
  auto process = Start();
  ASSERT_THAT(process, IsOk());
  EXPECT_THAT(process->Wait(), IsOkAndHolds(1));
  EXPECT_THAT(Output(), HasSubstr("Error: database.type mysql is not implemented"));
}

}  // namespace
}  // namespace dragonfly::manager
