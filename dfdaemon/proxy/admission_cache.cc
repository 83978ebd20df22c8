#include "dfdaemon/proxy/admission_cache.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::string_view kHarmless[] = {
    "accept",     "accept-charset", "accept-language", "baggage",    "cache-control",
    "dnt",        "forwarded",      "pragma",          "range",      "referer",
    "traceparent", "tracestate",    "user-agent",      "via",        "x-forwarded-for",
    "x-request-id"};

// A query may hold a signature or a token; what is only a name makes a check too many, no more.
bool HasQuery(const std::string& url) { return url.find('?') != std::string::npos; }

}  // namespace

AdmissionKey MakeAdmissionKey(const TaskId& id, const std::string& url,
                              const HttpHeaders& headers) {
  std::vector<std::string> claims;
  for (const auto& [name, value] : headers) {
    std::string lower = absl::AsciiStrToLower(name);
    if (std::find(std::begin(kHarmless), std::end(kHarmless), lower) != std::end(kHarmless)) continue;
    claims.push_back(StrCat(lower, ":", value));
  }
  std::sort(claims.begin(), claims.end());
  AdmissionKey key;
  key.anonymous = claims.empty() && !HasQuery(url);
  std::string text = StrCat(id.str(), "\n", url);
  for (const std::string& claim : claims) text.append("\n").append(claim);
  key.text = Sha256Hex(text);
  return key;
}

void AdmissionCache::Admitted(const AdmissionKey& key, SteadyTime now) {
  if (Use(key.text)) {
    order_.front().admitted_at = now;
    return;
  }
  order_.push_front({key.text, now});
  entries_[key.text] = order_.begin();
  if (entries_.size() > limits_.entries_max) {
    entries_.erase(order_.back().key);
    order_.pop_back();
  }
}

void AdmissionCache::Refused(const AdmissionKey& key) {
  const auto found = entries_.find(key.text);
  if (found == entries_.end()) return;
  order_.erase(found->second);
  entries_.erase(found);
}

std::optional<SteadyTime> AdmissionCache::Use(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->admitted_at;
}

bool AdmissionCache::IsFresh(const AdmissionKey& key, SteadyTime now) {
  const auto admitted_at = Use(key.text);
  return admitted_at && now - *admitted_at < limits_.fresh;
}

bool AdmissionCache::StandsWithoutOrigin(const AdmissionKey& key, SteadyTime now) {
  const auto admitted_at = Use(key.text);
  return admitted_at && (key.anonymous || now - *admitted_at < limits_.stale);
}

}  // namespace dragonfly::dfdaemon
