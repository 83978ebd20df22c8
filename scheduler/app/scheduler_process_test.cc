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

namespace dragonfly::scheduler {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class SchedulerProcessTest : public testing::Test {
 protected:
  void WriteConfig(const std::string& more) {
    WriteFile(dir_.File("scheduler.yaml"),
              StrCat("server: {listenIP: 127.0.0.1, advertiseIP: 127.0.0.1, host: test, port: ",
                     grpc_port_, ", logDir: ", dir_.path(), ", cacheDir: ", dir_.path(), "}\n",
                     more, "\n"));
  }
  absl::StatusOr<Process> Start() {
    ProcessOptions options;
    options.argv = {StrCat(std::getenv("DF_BIN_DIR"), "/scheduler"),
                    "--config",
                    dir_.File("scheduler.yaml"),
                    "--dynconfig",
                    dir_.File("dynconfig.yaml"),
                    "--console"};
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

TEST_F(SchedulerProcessTest, StartsWithoutAManagerAndStopsOnSigterm) {
  WriteConfig("");
  auto process = Start();
  ASSERT_THAT(process, IsOk());
  ASSERT_TRUE(WaitFor([this] { return Healthy(); })) << Output();
  EXPECT_THAT(ReadFile(dir_.File("dynconfig.yaml")),
              IsOkAndHolds(HasSubstr("candidateParentLimit")));
  process->Signal(SIGTERM);
  EXPECT_THAT(process->Wait(), IsOkAndHolds(0)) << Output();
  EXPECT_THAT(Output(), HasSubstr("scheduler has stopped"));
}

TEST_F(SchedulerProcessTest, ServesAlsoWhileItsManagerIsAway) {
  WriteConfig(StrCat("manager: {addr: '127.0.0.1:", FreePort(), "'}"));
  auto process = Start();
  ASSERT_THAT(process, IsOk());
  ASSERT_TRUE(WaitFor([this] { return Healthy(); })) << Output();
  EXPECT_THAT(Output(), HasSubstr("manager is away, will retry"));
  process->Signal(SIGTERM);
  EXPECT_THAT(process->Wait(), IsOkAndHolds(0)) << Output();
}

TEST_F(SchedulerProcessTest, SaysWhyItDoesNotStart) {
  WriteConfig("");
  WriteFile(dir_.File("dynconfig.yaml"), "schedulerClusterConfig: {candidateParentLimit: 99}\n");
  auto process = Start();
  ASSERT_THAT(process, IsOk());
  EXPECT_THAT(process->Wait(), IsOkAndHolds(1));
  EXPECT_THAT(Output(), HasSubstr("candidateParentLimit"));
}

}  // namespace
}  // namespace dragonfly::scheduler
