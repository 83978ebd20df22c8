#include "common/metrics/process_collector.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include <sys/resource.h>
#include <unistd.h>

#include <prometheus/metric_family.h>

namespace dragonfly {
namespace {

std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct ProcStat {
  double cpu_seconds = 0;
  double threads = 0;
  double start_seconds_after_boot = 0;
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

// proc(5). The name in field 2 may hold anything, so fields count from the last ')'.
std::optional<ProcStat> ParseStat(const std::string& text) {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream in(text.substr(name_end + 1));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(in),
                                        std::istream_iterator<std::string>()};
  constexpr std::size_t kFirst = 3;  // fields[0] is field 3, the state.
  const auto field = [&fields](std::size_t number) {
    const std::size_t index = number - kFirst;
    return index < fields.size() ? std::strtod(fields[index].c_str(), nullptr) : 0;
  };
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  ProcStat stat;
  stat.cpu_seconds = (field(14) + field(15)) / ticks;
  stat.threads = field(20);
  stat.start_seconds_after_boot = field(22) / ticks;
  stat.virtual_bytes = field(23);
  stat.resident_bytes = field(24) * page;
  return stat;
}

std::optional<double> BootTime(const std::string& text) {
  constexpr std::string_view kLine = "\nbtime ";
  const std::size_t at = text.find(kLine);
  if (at == std::string::npos) return std::nullopt;
  return std::strtod(text.c_str() + at + kLine.size(), nullptr);
}

class Families {
 public:
  void Add(const char* name, const char* help, prometheus::MetricType type, double value) {
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    prometheus::ClientMetric metric;
    if (type == prometheus::MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family.metric.push_back(std::move(metric));
    families_.push_back(std::move(family));
  }
  void Gauge(const char* name, const char* help, double value) {
    Add(name, help, prometheus::MetricType::Gauge, value);
  }
  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

double LimitOf(__rlimit_resource resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return 0;
  // Go's library writes the largest number for "unlimited".
  return limit.rlim_cur == RLIM_INFINITY ? 18446744073709551615.0
                                         : static_cast<double>(limit.rlim_cur);
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessCollector::Collect() const {
  Families families;
  if (const auto stat = ParseStat(ReadText(proc_ + "/self/stat"))) {
    families.Add("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                 prometheus::MetricType::Counter, stat->cpu_seconds);
    families.Gauge("process_threads", "Number of OS threads in the process.", stat->threads);
    families.Gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.",
                   stat->virtual_bytes);
    families.Gauge("process_resident_memory_bytes", "Resident memory size in bytes.",
                   stat->resident_bytes);
    if (const auto boot = BootTime(ReadText(proc_ + "/stat"))) {
      families.Gauge("process_start_time_seconds",
                     "Start time of the process since unix epoch in seconds.",
                     *boot + stat->start_seconds_after_boot);
    }
  }
  std::error_code error;
  std::filesystem::directory_iterator entry(proc_ + "/self/fd", error);
  if (!error) {
    double open = -1;  // The directory itself is one of them.
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++open;
    families.Gauge("process_open_fds", "Number of open file descriptors.", open);
  }
  families.Gauge("process_max_fds", "Maximum number of open file descriptors.",
                 LimitOf(RLIMIT_NOFILE));
  families.Gauge("process_virtual_memory_max_bytes",
                 "Maximum amount of virtual memory available in bytes.", LimitOf(RLIMIT_AS));
  return families.Take();
}

}  // namespace dragonfly
