#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "manager/clusters/ip_prefix.h"

namespace re2 {
class RE2;
}

namespace dragonfly::manager {

/// What a host tells about itself when it looks for schedulers.
struct HostQuery {
  std::string ip = {};
  std::string hostname = {};
  std::string idc = {};
  std::string location = {};
};

/// How well a scheduler cluster fits a host. Immutable.
class ClusterMatcher {
 public:
  /// `scopes_json`: {"idc":"a|b","location":"x|y","cidrs":[…],"hostnames":[regex…]}; all optional.
  /// Parts that cannot be read match nothing and are named in problems().
  ClusterMatcher(std::string_view scopes_json, bool is_default);

  /// 0…1, higher is better.
  [[nodiscard]] double Score(const HostQuery& host) const;
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  [[nodiscard]] bool MatchesCidr(std::string_view ip) const;
  [[nodiscard]] bool MatchesHostname(std::string_view hostname) const;
  [[nodiscard]] bool MatchesIdc(std::string_view idc) const;
  [[nodiscard]] double LocationScore(std::string_view location) const;

  const bool is_default_;
  std::string idc_;
  std::string location_;
  std::vector<IpPrefix> cidrs_;
  std::vector<std::shared_ptr<const re2::RE2>> hostnames_;
  std::vector<std::string> problems_;
};

}  // namespace dragonfly::manager
