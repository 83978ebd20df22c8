#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dfdaemon/cluster/scheduler_client.h"

namespace re2 {
class RE2;
}

namespace dragonfly::dfdaemon {

/// What an operator does not want standard tasks to download: whatever one of the lists names.
struct DownloadBlockList {
  std::vector<std::string> applications;
  std::vector<std::string> urls;  ///< RE2 syntax, matches anywhere in the URL.
  std::vector<std::string> tags;
  std::vector<std::int64_t> priorities;

  [[nodiscard]] bool empty() const {
    return applications.empty() && urls.empty() && tags.empty() && priorities.empty();
  }
  friend bool operator==(const DownloadBlockList&, const DownloadBlockList&) = default;
};

/// Lists by scheduler cluster; 0 for schedulers without one.
using BlockLists = std::map<std::uint64_t, DownloadBlockList>;

/// The list in a cluster's configuration as the manager gives it,
/// `{"block_list":{"task":{"download":{"urls":[…],…}}}}`; every level may be absent or null.
/// InvalidArgument for what is no such thing.
[[nodiscard]] absl::StatusOr<DownloadBlockList> ReadBlockList(std::string_view json);
/// JSON that ReadBlockList() reads.
[[nodiscard]] std::string WriteBlockList(const DownloadBlockList& list);

/// The list in force. Runs on: the `io` executor.
class DownloadPolicy {
 public:
  DownloadPolicy();
  ~DownloadPolicy();

  /// Returns the patterns that are no regular expressions; the others are in force.
  std::vector<std::string> Replace(DownloadBlockList list);
  [[nodiscard]] const DownloadBlockList& list() const { return list_; }
  [[nodiscard]] bool Blocks(const DownloadRequest& request) const;

 private:
  DownloadBlockList list_;
  std::vector<std::unique_ptr<const re2::RE2>> urls_;
};

}  // namespace dragonfly::dfdaemon
