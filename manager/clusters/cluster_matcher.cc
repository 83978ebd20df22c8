#include "manager/clusters/cluster_matcher.h"

#include <algorithm>
#include <cctype>

#include <re2/re2.h>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/base/strings.h"
#include "manager/clusters/json_text.h"

namespace dragonfly::manager {
namespace {

// Weights: Go manager/searcher/searcher.go, v2.4.0.
constexpr double kCidrWeight = 0.30;
constexpr double kHostnameWeight = 0.30;
constexpr double kIdcWeight = 0.25;
constexpr double kLocationWeight = 0.14;
constexpr double kDefaultWeight = 0.01;

constexpr std::size_t kMaxLocationElements = 5;

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(ToAbsl(a), ToAbsl(b));
}

std::string TextOf(const nlohmann::json& scopes, const char* key) {
  const auto found = scopes.find(key);
  return found != scopes.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> TextsOf(const nlohmann::json& scopes, const char* key) {
  std::vector<std::string> result;
  const auto found = scopes.find(key);
  if (found == scopes.end() || !found->is_array()) return result;
  for (const auto& entry : *found) {
    if (entry.is_string()) result.push_back(entry.get<std::string>());
  }
  return result;
}

}  // namespace

ClusterMatcher::ClusterMatcher(std::string_view scopes_json, bool is_default)
    : is_default_(is_default) {
  const auto scopes = ParseJsonText(scopes_json);
  if (scopes.is_null()) return;
  if (!scopes.is_object()) {
    problems_.emplace_back("scopes are no JSON object");
    return;
  }
  idc_ = TextOf(scopes, "idc");
  location_ = TextOf(scopes, "location");
  for (const std::string& text : TextsOf(scopes, "cidrs")) {
    if (const auto prefix = IpPrefix::Parse(text)) {
      cidrs_.push_back(*prefix);
    } else {
      problems_.push_back(StrCat("no CIDR: ", text));
    }
  }
  for (const std::string& text : TextsOf(scopes, "hostnames")) {
    auto regex = std::make_shared<const RE2>(text, RE2::Quiet);
    if (regex->ok()) {
      hostnames_.push_back(std::move(regex));
    } else {
      problems_.push_back(StrCat("no regular expression: ", text));
    }
  }
}

double ClusterMatcher::Score(const HostQuery& host) const {
  return kCidrWeight * (MatchesCidr(host.ip) ? 1 : 0) +
         kHostnameWeight * (MatchesHostname(host.hostname) ? 1 : 0) +
         kIdcWeight * (MatchesIdc(host.idc) ? 1 : 0) +
         kLocationWeight * LocationScore(host.location) + kDefaultWeight * (is_default_ ? 1 : 0);
}

bool ClusterMatcher::MatchesCidr(std::string_view ip) const {
  if (cidrs_.empty()) return false;
  const auto address = ParseIp(ip);
  return address.has_value() &&
         std::any_of(cidrs_.begin(), cidrs_.end(),
                     [&](const IpPrefix& prefix) { return prefix.Contains(*address); });
}

bool ClusterMatcher::MatchesHostname(std::string_view hostname) const {
  return !hostname.empty() &&
         std::any_of(hostnames_.begin(), hostnames_.end(), [&](const auto& regex) {
           return RE2::PartialMatch(re2::StringPiece(hostname.data(), hostname.size()), *regex);
         });
}

bool ClusterMatcher::MatchesIdc(std::string_view idc) const {
  if (idc.empty() || idc_.empty()) return false;
  // The whole text first: a host's own label may contain the separator.
  if (EqualsIgnoringCase(idc, idc_)) return true;
  for (const absl::string_view element : absl::StrSplit(idc_, '|')) {
    if (absl::EqualsIgnoreCase(element, ToAbsl(idc))) return true;
  }
  return false;
}

double ClusterMatcher::LocationScore(std::string_view location) const {
  if (location.empty() || location_.empty()) return 0;
  if (EqualsIgnoringCase(location, location_)) return 1;
  const std::vector<absl::string_view> theirs = absl::StrSplit(ToAbsl(location), '|');
  const std::vector<absl::string_view> ours = absl::StrSplit(location_, '|');
  const std::size_t most = std::min({theirs.size(), ours.size(), kMaxLocationElements});
  std::size_t equal = 0;
  while (equal < most && absl::EqualsIgnoreCase(theirs[equal], ours[equal])) ++equal;
  return static_cast<double>(equal) / static_cast<double>(kMaxLocationElements);
}

}  // namespace dragonfly::manager
