#include "dfdaemon/cluster/host_facts.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

// Files of /proc and /sys; empty when unreadable.
std::string ReadSmallFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<absl::string_view> Fields(std::string_view line) {
  return absl::StrSplit(ToAbsl(line), absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
}

std::optional<std::uint64_t> ToNumber(absl::string_view text) {
  std::uint64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

// Value behind `name` at the start of a line: `key value` (cgroup) or `key: value`
// (/proc/<pid>/io).
std::optional<std::uint64_t> FindNumber(std::string_view text, std::string_view name) {
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, ToAbsl(name))) continue;
    absl::ConsumePrefix(&rest, ":");
    return ToNumber(absl::StripAsciiWhitespace(rest));
  }
  return std::nullopt;
}

double Percent(double part, double whole) {
  if (!(whole > 0)) return 0;
  return std::clamp(100.0 * part / whole, 0.0, 100.0);
}

std::uint64_t PerSecond(std::uint64_t now, std::uint64_t before, double seconds) {
  if (now <= before || !(seconds > 0)) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(now - before) / seconds);
}

double TicksPerSecond() {
  const long ticks = ::sysconf(_SC_CLK_TCK);
  return ticks > 0 ? static_cast<double>(ticks) : 100.0;
}

// utime and stime of /proc/<pid>/stat; the command in parentheses may hold anything.
double ProcessCpuSeconds(std::string_view stat) {
  const auto close = stat.rfind(')');
  if (close == std::string_view::npos) return 0;
  const auto fields = Fields(stat.substr(close + 1));
  // The first field here is number 3 (state); utime and stime are 14 and 15.
  if (fields.size() < 13) return 0;
  const double ticks = static_cast<double>(ToNumber(fields[11]).value_or(0)) +
                       static_cast<double>(ToNumber(fields[12]).value_or(0));
  return ticks / TicksPerSecond();
}

}  // namespace

absl::StatusOr<CpuTimes> ParseCpuTimes(std::string_view proc_stat, double ticks_per_second) {
  const auto fields = Fields(proc_stat.substr(0, proc_stat.find('\n')));
  if (fields.size() < 5 || fields[0] != "cpu") {
    return absl::InvalidArgumentError("read /proc/stat: no cpu line");
  }
  const auto seconds = [&](std::size_t index) {
    if (index >= fields.size()) return 0.0;
    return static_cast<double>(ToNumber(fields[index]).value_or(0)) / ticks_per_second;
  };
  CpuTimes times;
  times.user = seconds(1);
  times.nice = seconds(2);
  times.system = seconds(3);
  times.idle = seconds(4);
  times.iowait = seconds(5);
  times.irq = seconds(6);
  times.softirq = seconds(7);
  times.steal = seconds(8);
  times.guest = seconds(9);
  times.guest_nice = seconds(10);
  return times;
}

std::uint32_t CountPhysicalCores(std::string_view cpuinfo) {
  std::set<std::pair<std::string, std::string>> cores;
  std::string package;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(cpuinfo), '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (parts.size() != 2) continue;
    const absl::string_view key = absl::StripAsciiWhitespace(parts[0]);
    const std::string value(absl::StripAsciiWhitespace(parts[1]));
    if (key == "physical id") package = value;
    if (key == "core id") cores.emplace(package, value);
  }
  return static_cast<std::uint32_t>(cores.size());
}

std::optional<std::uint64_t> FindKilobytes(std::string_view meminfo, std::string_view name) {
  for (const absl::string_view line : absl::StrSplit(ToAbsl(meminfo), '\n')) {
    const auto fields = Fields(ToStd(line));
    if (fields.size() < 2 || ToStd(fields[0]) != StrCat(name, ":")) continue;
    const auto value = ToNumber(fields[1]);
    if (!value) return std::nullopt;
    return *value * 1024;
  }
  return std::nullopt;
}

std::string FindAssignment(std::string_view text, std::string_view name) {
  const std::string prefix = StrCat(name, "=");
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    absl::string_view value = line;
    if (!absl::ConsumePrefix(&value, prefix)) continue;
    if (absl::ConsumePrefix(&value, "\"")) absl::ConsumeSuffix(&value, "\"");
    return std::string(value);
  }
  return {};
}

HostProbe::HostProbe(Paths paths, const Clock& clock) : paths_(std::move(paths)), clock_(clock) {
  // cgroup v2: the only line is "0::<path>". In a container with its own namespace the path is "/".
  absl::string_view line = ToAbsl("");
  const std::string own = ReadSmallFile(paths_.proc + "/self/cgroup");
  line = absl::StripAsciiWhitespace(own);
  if (absl::ConsumePrefix(&line, "0::")) {
    const std::string dir = StrCat(paths_.cgroup, line == "/" ? absl::string_view() : line);
    if (!ReadSmallFile(dir + "/memory.current").empty()) cgroup_dir_ = dir;
  }
  last_ = ReadCounters();
}

std::string HostProbe::CgroupFile(std::string_view name) const {
  return cgroup_dir_.empty() ? std::string() : ReadSmallFile(StrCat(cgroup_dir_, "/", name));
}

HostProbe::Counters HostProbe::ReadCounters() const {
  Counters counters;
  counters.at = clock_.Now();
  if (auto cpu = ParseCpuTimes(ReadSmallFile(paths_.proc + "/stat"), TicksPerSecond()); cpu.ok()) {
    counters.cpu = *cpu;
  }
  counters.process_cpu_seconds = ProcessCpuSeconds(ReadSmallFile(paths_.proc + "/self/stat"));
  const std::string io = ReadSmallFile(paths_.proc + "/self/io");
  counters.read_bytes = FindNumber(io, "read_bytes").value_or(0);
  counters.written_bytes = FindNumber(io, "write_bytes").value_or(0);
  counters.cgroup_cpu_us = FindNumber(CgroupFile("cpu.stat"), "usage_usec").value_or(0);
  return counters;
}

HostFacts HostProbe::Sample() {
  HostFacts facts;
  utsname names{};
  if (::uname(&names) == 0) facts.kernel_version = names.release;
  facts.platform_version = FindAssignment(ReadSmallFile(paths_.os_release), "VERSION_ID");

  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  facts.logical_cpus = online > 0 ? static_cast<std::uint32_t>(online) : 1;
  facts.physical_cpus = CountPhysicalCores(ReadSmallFile(paths_.proc + "/cpuinfo"));
  if (facts.physical_cpus == 0) facts.physical_cpus = facts.logical_cpus;

  const Counters now = ReadCounters();
  const double seconds = ToSeconds(now.at - last_.at);
  facts.cpu_times = now.cpu;
  facts.cpu_percent =
      Percent(now.cpu.busy() - last_.cpu.busy(), now.cpu.total() - last_.cpu.total());
  if (seconds > 0) {
    facts.process_cpu_percent =
        std::max(0.0, 100.0 * (now.process_cpu_seconds - last_.process_cpu_seconds) / seconds);
  }
  facts.disk_read_bandwidth = PerSecond(now.read_bytes, last_.read_bytes, seconds);
  facts.disk_write_bandwidth = PerSecond(now.written_bytes, last_.written_bytes, seconds);
  FillMemory(facts);
  FillDisk(facts);
  FillCgroup(facts, now, seconds);
  last_ = now;
  return facts;
}

void HostProbe::FillMemory(HostFacts& facts) const {
  const std::string meminfo = ReadSmallFile(paths_.proc + "/meminfo");
  facts.memory_total = FindKilobytes(meminfo, "MemTotal").value_or(0);
  facts.memory_free = FindKilobytes(meminfo, "MemFree").value_or(0);
  facts.memory_available = FindKilobytes(meminfo, "MemAvailable").value_or(facts.memory_free);
  facts.memory_used = facts.memory_total - std::min(facts.memory_total, facts.memory_available);
  const double total = static_cast<double>(facts.memory_total);
  facts.memory_used_percent = Percent(static_cast<double>(facts.memory_used), total);
  const auto resident = FindKilobytes(ReadSmallFile(paths_.proc + "/self/status"), "VmRSS");
  facts.process_memory_percent = Percent(static_cast<double>(resident.value_or(0)), total);
}

void HostProbe::FillDisk(HostFacts& facts) const {
  struct statvfs info{};
  if (::statvfs(paths_.storage_dir.c_str(), &info) != 0) return;
  const std::uint64_t block = info.f_frsize;
  facts.disk_total = block * info.f_blocks;
  facts.disk_free = block * info.f_bavail;
  facts.disk_used = block * (info.f_blocks - info.f_bfree);
  facts.disk_used_percent =
      Percent(static_cast<double>(facts.disk_used), static_cast<double>(facts.disk_total));
  facts.inodes_total = info.f_files;
  facts.inodes_free = info.f_ffree;
}

void HostProbe::FillCgroup(HostFacts& facts, const Counters& now, double seconds) const {
  if (cgroup_dir_.empty()) return;
  CgroupFacts cgroup;
  const std::string cpu_max = CgroupFile("cpu.max");  // "<quota|max> <period>"
  const auto fields = Fields(cpu_max);
  if (fields.size() == 2) {
    if (const auto quota = ToNumber(fields[0])) {
      cgroup.cpu_quota_us = static_cast<std::int64_t>(*quota);
    }
    cgroup.cpu_period_us = ToNumber(fields[1]).value_or(0);
  }
  double allowed = 1;
  if (cgroup.cpu_quota_us > 0 && cgroup.cpu_period_us > 0) {
    allowed = static_cast<double>(cgroup.cpu_quota_us) / static_cast<double>(cgroup.cpu_period_us);
  }
  if (now.cgroup_cpu_us > last_.cgroup_cpu_us && seconds > 0) {
    const double used = static_cast<double>(now.cgroup_cpu_us - last_.cgroup_cpu_us) / 1e6;
    cgroup.cpu_used_percent = 100.0 * used / (seconds * allowed);
  }
  cgroup.memory_usage = FindNumber(CgroupFile("memory.current"), "").value_or(0);
  if (const auto limit = FindNumber(CgroupFile("memory.max"), "")) {
    cgroup.memory_limit = static_cast<std::int64_t>(*limit);
    cgroup.memory_used_percent =
        Percent(static_cast<double>(cgroup.memory_usage), static_cast<double>(*limit));
  }
  facts.cgroup = cgroup;
}

}  // namespace dragonfly::dfdaemon
