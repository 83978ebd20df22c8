#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "common/http/headers.h"
#include "common/base/types.h"

namespace dragonfly::dfdaemon {

/// What names one caller's claim to one content: the task, the URL, and every field that an origin
/// may base its decision on. Fields that cannot matter (User-Agent, Accept, Range …) are left out.
struct AdmissionKey {
  std::string text;        ///< A digest: no credential is kept.
  bool anonymous = false;  ///< The request carried nothing to be recognised by.
};
[[nodiscard]] AdmissionKey MakeAdmissionKey(const TaskId& id, const std::string& url,
                                            const HttpHeaders& headers);

struct AdmissionLimits {
  /// How long the origin's word is taken without asking again.
  std::chrono::seconds fresh{300};
  /// How long a claim with credentials stands while the origin cannot be asked. One without
  /// credentials stands as long as it is remembered.
  std::chrono::seconds stale{3600};
  std::size_t entries_max = 8192;  ///< The least recently used are forgotten.
};

/// Whom origins have admitted. Pure; not thread-safe.
class AdmissionCache {
 public:
  explicit AdmissionCache(AdmissionLimits limits) : limits_(limits) {}

  void Admitted(const AdmissionKey& key, SteadyTime now);
  void Refused(const AdmissionKey& key);
  /// The origin need not be asked.
  [[nodiscard]] bool IsFresh(const AdmissionKey& key, SteadyTime now);
  /// The origin cannot be asked: does its last word still count?
  [[nodiscard]] bool StandsWithoutOrigin(const AdmissionKey& key, SteadyTime now);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    SteadyTime admitted_at;
  };
  std::optional<SteadyTime> Use(const std::string& key);

  const AdmissionLimits limits_;
  std::list<Entry> order_;  ///< Most recently used first.
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> entries_;
};

}  // namespace dragonfly::dfdaemon
