#include "dfdaemon/cluster/block_list.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

using Json = nlohmann::json;

absl::Status NoList(std::string_view key) {
  return absl::InvalidArgumentError(StrCat("block list: ", key, " is not what it should be"));
}

// The value at a key of an object; null when there is none.
absl::StatusOr<Json> Member(const Json& object, const char* key) {
  if (object.is_null()) return Json();
  if (!object.is_object()) return NoList(key);
  const auto found = object.find(key);
  return found == object.end() ? Json() : *found;
}

template <class T>
absl::Status Read(const Json& object, const char* key, bool (Json::*is_right)() const,
                  std::vector<T>& out) {
  ASSIGN_OR_RETURN(const Json list, Member(object, key));
  if (list.is_null()) return absl::OkStatus();
  if (!list.is_array()) return NoList(key);
  for (const Json& item : list) {
    if (!(item.*is_right)()) return NoList(key);
    out.push_back(item.get<T>());
  }
  return absl::OkStatus();
}

bool Has(const std::vector<std::string>& list, const std::optional<std::string>& name) {
  // Callers that have no tag often send an empty one; that names nothing.
  return name && !name->empty() && std::find(list.begin(), list.end(), *name) != list.end();
}

}  // namespace

absl::StatusOr<DownloadBlockList> ReadBlockList(std::string_view json) {
  DownloadBlockList list;
  if (json.empty()) return list;
  const Json config = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (config.is_discarded()) return absl::InvalidArgumentError("block list: not JSON");
  ASSIGN_OR_RETURN(const Json all, Member(config, "block_list"));
  ASSIGN_OR_RETURN(const Json task, Member(all, "task"));
  ASSIGN_OR_RETURN(const Json download, Member(task, "download"));
  RETURN_IF_ERROR(Read(download, "applications", &Json::is_string, list.applications));
  RETURN_IF_ERROR(Read(download, "urls", &Json::is_string, list.urls));
  RETURN_IF_ERROR(Read(download, "tags", &Json::is_string, list.tags));
  RETURN_IF_ERROR(Read(download, "priorities", &Json::is_number_integer, list.priorities));
  return list;
}

std::string WriteBlockList(const DownloadBlockList& list) {
  Json config;
  Json& download = config["block_list"]["task"]["download"];
  download["applications"] = list.applications;
  download["urls"] = list.urls;
  download["tags"] = list.tags;
  download["priorities"] = list.priorities;
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

DownloadPolicy::DownloadPolicy() = default;
DownloadPolicy::~DownloadPolicy() = default;

std::vector<std::string> DownloadPolicy::Replace(DownloadBlockList list) {
  std::vector<std::string> bad;
  urls_.clear();
  for (const std::string& pattern : list.urls) {
    auto compiled = std::make_unique<const RE2>(pattern, RE2::Quiet);
    if (compiled->ok()) {
      urls_.push_back(std::move(compiled));
    } else {
      bad.push_back(pattern);
    }
  }
  list_ = std::move(list);
  return bad;
}

bool DownloadPolicy::Blocks(const DownloadRequest& request) const {
  if (list_.empty()) return false;
  if (Has(list_.applications, request.application) || Has(list_.tags, request.tag)) return true;
  const auto priority = static_cast<std::int64_t>(request.priority);
  const auto& priorities = list_.priorities;
  if (std::find(priorities.begin(), priorities.end(), priority) != priorities.end()) return true;
  return std::any_of(urls_.begin(), urls_.end(),
                     [&](const auto& pattern) { return RE2::PartialMatch(request.url, *pattern); });
}

}  // namespace dragonfly::dfdaemon
