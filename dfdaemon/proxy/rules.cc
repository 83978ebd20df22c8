#include "dfdaemon/proxy/rules.h"

#include <re2/re2.h>

#include <utility>

#include "common/base/strings.h"

namespace dragonfly::dfdaemon {

struct RuleSet::Compiled {
  explicit Compiled(ProxyRule its_rule) : rule(std::move(its_rule)), regex(rule.regex, Options()) {}
  static RE2::Options Options() {
    RE2::Options options;
    options.set_log_errors(false);
    return options;
  }

  const ProxyRule rule;
  const RE2 regex;
};

RuleSet::RuleSet() = default;
RuleSet::RuleSet(RuleSet&&) noexcept = default;
RuleSet& RuleSet::operator=(RuleSet&&) noexcept = default;
RuleSet::~RuleSet() = default;

absl::StatusOr<RuleSet> RuleSet::Create(std::vector<ProxyRule> rules) {
  RuleSet set;
  for (ProxyRule& rule : rules) {
    auto compiled = std::make_unique<Compiled>(std::move(rule));
    if (!compiled->regex.ok()) {
      return absl::InvalidArgumentError(
          StrCat("proxy rule ", compiled->rule.regex, ": ", compiled->regex.error()));
    }
    set.rules_.push_back(std::move(compiled));
  }
  return set;
}

const ProxyRule* RuleSet::Match(const ProxyTarget& target) const {
  for (const auto& compiled : rules_) {
    for (const std::string& text : target.rule_texts) {
      if (RE2::PartialMatch(text, compiled->regex)) return &compiled->rule;
    }
  }
  return nullptr;
}

}  // namespace dragonfly::dfdaemon
