#include "scheduler/config/dynconfig_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/config/table.h"
#include "scheduler/cluster/dynamic_config_bounds.h"

namespace dragonfly::scheduler {
namespace {

using Rule = DynamicConfig::UrlPriority;
using Application = DynamicConfig::Application;

constexpr std::int64_t kMaxPriority = 20;

// 0 means the default, as from a manager.
Number UpTo(Bounds bounds) { return Number{.min = 0, .max = bounds.max}; }

ConfigTable<Rule> RuleKeys() {
  ConfigTable<Rule> table;
  table.Field("regex", &Rule::regex, Text{})
      .Field("value", &Rule::value, Number{.min = 0, .max = kMaxPriority});
  return table;
}

ConfigTable<Application> ApplicationKeys() {
  ConfigTable<Application> table;
  table.Field("name", &Application::name, Text{})
      .Field("priority.value", &Application::priority, Number{.min = 0, .max = kMaxPriority})
      .Field("priority.urls", &Application::urls, ListOf{RuleKeys()})
      .Ignored("id")
      .Ignored("url")
      .Ignored("bio");
  return table;
}

const ConfigTable<DynamicConfig>& DynconfigKeys() {
  static const ConfigTable<DynamicConfig> kTable = [] {
    ConfigTable<DynamicConfig> table;
    table.Field("applications", &DynamicConfig::applications, ListOf{ApplicationKeys()})
        .Field("seedPeerClusterConfig.loadLimit", &DynamicConfig::seed_peer_load_limit,
               UpTo(kSeedPeerLoadLimit))
        .Field("schedulerClusterConfig.candidateParentLimit",
               &DynamicConfig::candidate_parent_limit, UpTo(kCandidateParentLimit))
        .Field("schedulerClusterConfig.filterParentLimit", &DynamicConfig::filter_parent_limit,
               UpTo(kFilterParentLimit))
        .Field("schedulerClusterConfig.jobRateLimit", &DynamicConfig::job_rate_limit,
               UpTo(kJobRateLimit))
        .Field("schedulerClusterClientConfig.loadLimit", &DynamicConfig::peer_load_limit,
               UpTo(kPeerLoadLimit))
        // The block lists of daemons; the scheduler has no use for them.
        .Ignored("seedPeerClusterConfig.blockList")
        .Ignored("schedulerClusterClientConfig.blockList");
    return table;
  }();
  return kTable;
}

absl::Status WriteDefaults(const std::string& path) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  errno = 0;
  std::ofstream out(path);
  out << DynconfigKeys().Print(DynamicConfig());
  if (out.flush()) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat("write ", path, ": ", std::strerror(errno)));
}

void Settle(std::uint32_t& value, std::uint32_t fallback, Bounds bounds) {
  value = value == 0 ? fallback : bounds.Clamp(value);
}

}  // namespace

absl::StatusOr<DynamicConfig> ReadDynconfig(const ConfigNode& root, const std::string& file) {
  ConfigReport report(file);
  report.ignore_key_case = true;
  DynamicConfig config;
  RETURN_IF_ERROR(DynconfigKeys().Read(root, report, config));
  const DynamicConfig defaults;
  Settle(config.candidate_parent_limit, defaults.candidate_parent_limit, kCandidateParentLimit);
  Settle(config.filter_parent_limit, defaults.filter_parent_limit, kFilterParentLimit);
  Settle(config.job_rate_limit, defaults.job_rate_limit, kJobRateLimit);
  Settle(config.peer_load_limit, defaults.peer_load_limit, kPeerLoadLimit);
  Settle(config.seed_peer_load_limit, defaults.seed_peer_load_limit, kSeedPeerLoadLimit);
  return config;
}

absl::StatusOr<DynamicConfig> LoadDynconfigFile(const std::string& path) {
  auto root = ReadYamlFile(path);
  if (absl::IsNotFound(root.status())) {
    RETURN_IF_ERROR(WriteDefaults(path));
    return DynamicConfig();
  }
  if (!root.ok()) return root.status();
  return ReadDynconfig(*root, path);
}

}  // namespace dragonfly::scheduler
