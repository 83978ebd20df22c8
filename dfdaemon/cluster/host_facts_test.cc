#include "dfdaemon/cluster/host_facts.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "dfdaemon/cluster/network_monitor.h"

namespace dragonfly::dfdaemon {
namespace {

class StoppedClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime Now() const override { return SteadyTime(now); }
  [[nodiscard]] WallTime WallNow() const override { return WallTime(now); }
  std::chrono::seconds now{1000};
};

class HostFactsTest : public testing::Test {
 protected:
  HostFactsTest() {
    dir_ = std::filesystem::temp_directory_path() /
           ("host_facts_" + std::to_string(::getpid()) + "_" +
            testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_ / "proc/self");
  }
  ~HostFactsTest() override { std::filesystem::remove_all(dir_); }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name) << text;
  }
  HostProbe::Paths Paths() {
    HostProbe::Paths paths;
    paths.storage_dir = dir_;
    paths.proc = dir_ / "proc";
    paths.cgroup = dir_ / "cgroup";
    paths.os_release = dir_ / "os-release";
    return paths;
  }

  std::filesystem::path dir_;
  StoppedClock clock_;
};

TEST_F(HostFactsTest, RefusesAStatFileWithoutCpuLine) {
  EXPECT_FALSE(ParseCpuTimes("", 100).ok());
  EXPECT_FALSE(ParseCpuTimes("cpu0 1 2 3 4\n", 100).ok());
  EXPECT_FALSE(ParseCpuTimes("intr 1 2 3 4 5\n", 100).ok());
}

TEST_F(HostFactsTest, ReportsZeroWhereTheKernelTellsNothing) {
  HostProbe probe(Paths(), clock_);
  clock_.now += std::chrono::seconds(10);
  const HostFacts facts = probe.Sample();
  EXPECT_EQ(facts.memory_total, 0U);
  EXPECT_EQ(facts.memory_used_percent, 0);
  EXPECT_EQ(facts.cpu_percent, 0);
  EXPECT_FALSE(facts.cgroup.has_value());
  EXPECT_GT(facts.disk_total, 0U);  // The directory exists.
}

TEST_F(HostFactsTest, CountsGuestTimeOnce) {
  const auto times = ParseCpuTimes("cpu  500 100 200 1000 50 5 10 15 300 40\ncpu0 1 2 3 4\n", 100);
  ASSERT_TRUE(times.ok());
  EXPECT_DOUBLE_EQ(times->total(), 18.8);
  EXPECT_DOUBLE_EQ(times->busy(), 8.3);
  EXPECT_DOUBLE_EQ(times->guest, 3.0);
}

TEST_F(HostFactsTest, CountsACoreWithTwoThreadsOnce) {
  const std::string core = "processor: 0\nphysical id\t: 0\ncore id\t\t: 1\n\n";
  const std::string other = "processor: 2\nphysical id\t: 1\ncore id\t\t: 1\n\n";
  EXPECT_EQ(CountPhysicalCores(core + core + other), 2U);
  EXPECT_EQ(CountPhysicalCores("processor: 0\nBogoMIPS: 50\n"), 0U);
}

TEST_F(HostFactsTest, ReportsPercentagesOverTheTimeBetweenSamples) {
  Write("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\n");
  Write("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 250 kB\n");
  Write("proc/self/status", "Name:\tdfdaemon\nVmRSS:\t     100 kB\n");
  Write("proc/self/io", "rchar: 9\nread_bytes: 1000\nwrite_bytes: 5000\n");
  Write("os-release", "NAME=\"Debian\"\nVERSION_ID=\"12\"\n");
  HostProbe probe(Paths(), clock_);
  Write("proc/stat", "cpu  200 0 150 850 0 0 0 0 0 0\n");
  Write("proc/self/io", "rchar: 9\nread_bytes: 3000\nwrite_bytes: 5000\n");
  clock_.now += std::chrono::seconds(2);
  const HostFacts facts = probe.Sample();
  EXPECT_DOUBLE_EQ(facts.cpu_percent, 75.0);
  EXPECT_EQ(facts.memory_total, 1'024'000U);
  EXPECT_EQ(facts.memory_used, 768'000U);
  EXPECT_DOUBLE_EQ(facts.memory_used_percent, 75.0);
  EXPECT_DOUBLE_EQ(facts.process_memory_percent, 10.0);
  EXPECT_EQ(facts.disk_read_bandwidth, 1000U);
  EXPECT_EQ(facts.disk_write_bandwidth, 0U);
  EXPECT_EQ(facts.platform_version, "12");
}

TEST_F(HostFactsTest, ReadsTheLimitsOfItsCgroup) {
  Write("proc/self/cgroup", "0::/pod/a\n");
  Write("cgroup/pod/a/memory.current", "512\n");
  Write("cgroup/pod/a/memory.max", "2048\n");
  Write("cgroup/pod/a/cpu.max", "200000 100000\n");
  Write("cgroup/pod/a/cpu.stat", "usage_usec 1000000\n");
  HostProbe probe(Paths(), clock_);
  Write("cgroup/pod/a/cpu.stat", "usage_usec 3000000\nuser_usec 5\n");
  clock_.now += std::chrono::seconds(2);
  const HostFacts facts = probe.Sample();
  ASSERT_TRUE(facts.cgroup.has_value());
  EXPECT_EQ(facts.cgroup->cpu_quota_us, 200'000);
  EXPECT_EQ(facts.cgroup->cpu_period_us, 100'000U);
  EXPECT_DOUBLE_EQ(facts.cgroup->cpu_used_percent, 50.0);
  EXPECT_EQ(facts.cgroup->memory_limit, 2048);
  EXPECT_DOUBLE_EQ(facts.cgroup->memory_used_percent, 25.0);
}

TEST_F(HostFactsTest, TakesAnUnlimitedCgroupAsNoLimit) {
  Write("proc/self/cgroup", "0::/\n");
  Write("cgroup/memory.current", "512\n");
  Write("cgroup/memory.max", "max\n");
  Write("cgroup/cpu.max", "max 100000\n");
  HostProbe probe(Paths(), clock_);
  const HostFacts facts = probe.Sample();
  ASSERT_TRUE(facts.cgroup.has_value());
  EXPECT_EQ(facts.cgroup->cpu_quota_us, -1);
  EXPECT_EQ(facts.cgroup->memory_limit, -1);
  EXPECT_EQ(facts.cgroup->memory_used_percent, 0);
}

TEST_F(HostFactsTest, TakesALinkWithoutSpeedAsUnknown) {
  Write("sys/class/net/eth0/speed", "-1\n");
  Write("sys/class/net/eth1/speed", "10000\n");
  const std::string sys = dir_ / "sys";
  EXPECT_EQ(LinkSpeed("eth0", sys), 0U);
  EXPECT_EQ(LinkSpeed("eth1", sys), 10'000'000'000U);
  EXPECT_EQ(LinkSpeed("eth2", sys), 0U);
  EXPECT_FALSE(ReadCounters("eth2", sys).has_value());
}

TEST_F(HostFactsTest, FindsTheInterfaceOfAnAddress) {
  EXPECT_EQ(InterfaceOfAddress("127.0.0.1"), "lo");
  EXPECT_EQ(InterfaceOfAddress("203.0.113.77"), std::nullopt);
}

TEST_F(HostFactsTest, MeasuresBitsPerSecond) {
  RateMeter meter(1000, 2000);
  const SteadyTime start(std::chrono::seconds(5));
  NetworkLoad load = meter.Update({100, 200}, start);
  EXPECT_EQ(load.rx_bandwidth, 0U);
  load = meter.Update({1100, 700}, start + std::chrono::seconds(2));
  EXPECT_EQ(load.rx_bandwidth, 4000U);
  EXPECT_EQ(load.tx_bandwidth, 2000U);
  EXPECT_EQ(load.max_rx_bandwidth, 1000U);
  EXPECT_EQ(load.max_tx_bandwidth, 2000U);
  // The interface was made anew: its counters began again.
  load = meter.Update({10, 10}, start + std::chrono::seconds(3));
  EXPECT_EQ(load.rx_bandwidth, 0U);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
