#include "common/daemon/version_gauge.h"

#include <map>
#include <string_view>

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include "common/base/strings.h"
#include "common/version/version.h"

namespace dragonfly {

void AddVersionGauge(prometheus::Registry& registry, const std::string& name) {
  const Version& version = BuildVersion();
  const std::string semver(version.semver);
  const auto first = semver.find('.');
  const auto second = semver.find('.', first == std::string::npos ? first : first + 1);
  const std::map<std::string, std::string> labels = {
      {"major", semver.substr(0, first)},
      {"minor", first == std::string::npos ? "0" : semver.substr(first + 1, second - first - 1)},
      {"git_version", StrCat("v", semver)},
      {"git_commit", std::string(version.commit)},
      {"platform", std::string(version.platform)},
      {"build_time", std::string(version.commit_date)},
      {"go_version", "unknown"},
      {"go_tags", "unknown"},
      {"go_gcflags", "unknown"}};
  prometheus::BuildGauge()
      .Name(name)
      .Help("Version info of the service.")
      .Register(registry)
      .Add(labels)
      .Set(1);
}

}  // namespace dragonfly
