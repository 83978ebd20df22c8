#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace dragonfly::dfdaemon {

/// Cumulated seconds of all CPUs since boot.
struct CpuTimes {
  double user = 0;
  double nice = 0;
  double system = 0;
  double idle = 0;
  double iowait = 0;
  double irq = 0;
  double softirq = 0;
  double steal = 0;
  double guest = 0;
  double guest_nice = 0;

  [[nodiscard]] double total() const {
    // guest and guest_nice are contained in user and nice.
    return user + nice + system + idle + iowait + irq + softirq + steal;
  }
  [[nodiscard]] double busy() const { return total() - idle - iowait; }
};

/// What the kernel tells about the cgroup of this process; absent limits are -1.
struct CgroupFacts {
  std::uint64_t cpu_period_us = 0;
  std::int64_t cpu_quota_us = -1;
  double cpu_used_percent = 0;     ///< 100 = the whole quota, or one CPU without a quota.
  std::int64_t memory_limit = -1;  ///< Bytes.
  std::uint64_t memory_usage = 0;  ///< Bytes.
  double memory_used_percent = 0;  ///< Of the limit; 0 without one.
};

/// What AnnounceHost reports about the machine. Percentages are 0..100; unknown numbers are 0.
struct HostFacts {
  std::string os = "linux";
  std::string platform = "linux";
  std::string platform_family = "unix";
  std::string platform_version;
  std::string kernel_version;

  std::uint32_t logical_cpus = 0;
  std::uint32_t physical_cpus = 0;
  double cpu_percent = 0;          ///< Of the whole machine.
  double process_cpu_percent = 0;  ///< 100 = one CPU.
  CpuTimes cpu_times;

  std::uint64_t memory_total = 0;  ///< Bytes, as the rest.
  std::uint64_t memory_available = 0;
  std::uint64_t memory_used = 0;
  std::uint64_t memory_free = 0;
  double memory_used_percent = 0;
  double process_memory_percent = 0;

  std::uint64_t disk_total = 0;  ///< Bytes, of the file system of the storage.
  std::uint64_t disk_free = 0;
  std::uint64_t disk_used = 0;
  double disk_used_percent = 0;
  std::uint64_t inodes_total = 0;
  std::uint64_t inodes_free = 0;
  std::uint64_t disk_read_bandwidth = 0;  ///< Bytes per second, of this process.
  std::uint64_t disk_write_bandwidth = 0;

  std::optional<CgroupFacts> cgroup;  ///< Set when a cgroup v2 hierarchy is mounted.
};

/// The first line of /proc/stat. InvalidArgument when it is something else.
absl::StatusOr<CpuTimes> ParseCpuTimes(std::string_view proc_stat, double ticks_per_second);

/// Different (physical id, core id) pairs of /proc/cpuinfo; 0 where the kernel does not tell them.
std::uint32_t CountPhysicalCores(std::string_view cpuinfo);

/// Value in bytes of `<name>: <n> kB`.
std::optional<std::uint64_t> FindKilobytes(std::string_view meminfo, std::string_view name);

/// Value of `name=value` or `name="value"`, as in /etc/os-release.
std::string FindAssignment(std::string_view text, std::string_view name);

/// Reads the kernel's tables. Rates and percentages are over the time since the previous Sample(),
/// at first since the probe was made. Files are small and in memory, so calls do not block for
/// long. Not thread-safe.
class HostProbe {
 public:
  struct Paths {
    std::string storage_dir = "/";
    std::string proc = "/proc";
    std::string cgroup = "/sys/fs/cgroup";
    std::string os_release = "/etc/os-release";
  };

  HostProbe(Paths paths, const Clock& clock);

  [[nodiscard]] HostFacts Sample();

 private:
  struct Counters {
    SteadyTime at;
    CpuTimes cpu;
    double process_cpu_seconds = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t cgroup_cpu_us = 0;
  };

  [[nodiscard]] Counters ReadCounters() const;
  void FillMemory(HostFacts& facts) const;
  void FillDisk(HostFacts& facts) const;
  void FillCgroup(HostFacts& facts, const Counters& now, double seconds) const;
  [[nodiscard]] std::string CgroupFile(std::string_view name) const;

  const Paths paths_;
  const Clock& clock_;
  std::string cgroup_dir_;  ///< Empty without cgroup v2.
  Counters last_;
};

}  // namespace dragonfly::dfdaemon
