#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dfdaemon/proxy/target.h"

namespace dragonfly::dfdaemon {

/// Which URLs become tasks, and how they change on the way.
struct ProxyRule {
  std::string regex = ".*";  ///< RE2 syntax, found anywhere in the URL.
  bool use_tls = false;      ///< Ask the origin by https.
  std::string redirect;      ///< `host[:port]` to ask instead; empty = the URL's own.
  /// Query parameters that do not name the content; absent = the built-in list.
  std::optional<std::vector<std::string>> filtered_query_params;
};

/// The rules in their order, compiled. Immutable, thread-safe.
class RuleSet {
 public:
  /// InvalidArgument names the rule that is no regular expression.
  [[nodiscard]] static absl::StatusOr<RuleSet> Create(std::vector<ProxyRule> rules);
  RuleSet(RuleSet&&) noexcept;
  RuleSet& operator=(RuleSet&&) noexcept;
  ~RuleSet();

  /// The first rule that is found in any of the target's texts; null without one.
  [[nodiscard]] const ProxyRule* Match(const ProxyTarget& target) const;

 private:
  struct Compiled;
  RuleSet();
  std::vector<std::unique_ptr<Compiled>> rules_;
};

}  // namespace dragonfly::dfdaemon
