#include "common/config/table.h"

#include <algorithm>
#include <string_view>

#include "common/base/strings.h"

namespace dragonfly {

std::string ConfigReport::Place(const ConfigNode& node, std::string_view path,
                                std::string_view reason) const {
  std::string place = file_;
  if (node.line != 0) place += StrCat(":", node.line);
  return StrCat(place, ": ", path.empty() ? "the file" : path, path.empty() ? " " : ": ", reason);
}

absl::Status ConfigReport::Error(const ConfigNode& node, std::string_view path,
                                 std::string_view reason) const {
  return absl::InvalidArgumentError(Place(node, path, reason));
}

void ConfigReport::Warn(const ConfigNode& node, std::string_view path, std::string_view reason) {
  // A hostile or mistaken file must not fill the log.
  constexpr std::size_t kMaxWarnings = 100;
  if (warnings_.size() < kMaxWarnings) warnings_.push_back(Place(node, path, reason));
}

namespace internal {
namespace {

std::string Lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return result;
}

// Whether `path` is `prefix` or lies below it.
bool IsWithin(std::string_view path, std::string_view prefix) {
  return path == prefix || (path.starts_with(prefix) && path[prefix.size()] == '.');
}

// `relative` is the path below the table's own place.
void WarnBelow(const ConfigNode& map, const std::string& prefix, const std::string& relative,
               const std::vector<std::string>& known, ConfigReport& report) {
  for (const auto& [key, value] : map.entries) {
    const std::string path = JoinPath(relative, key);
    const std::string compared = report.ignore_key_case ? Lower(path) : path;
    // A key with a dot in it is no path of ours.
    const bool is_leaf = key.find('.') == std::string::npos &&
                         std::find(known.begin(), known.end(), compared) != known.end();
    if (is_leaf) continue;
    const bool leads_on = key.find('.') == std::string::npos &&
                          std::any_of(known.begin(), known.end(), [&compared](const auto& leaf) {
                            return IsWithin(leaf, compared);
                          });
    if (!leads_on) {
      report.Warn(value, JoinPath(prefix, path), "unknown key, ignored");
    } else if (value.kind == ConfigNode::Kind::kMap) {
      WarnBelow(value, prefix, path, known, report);
    }
  }
}

absl::Status FindPathInMaps(const ConfigNode& map, const std::string& prefix,
                            const std::string& path, const ConfigReport& report,
                            const ConfigNode*& out) {
  const ConfigNode* node = &map;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    if (node->kind != ConfigNode::Kind::kMap) {
      return report.Error(*node, JoinPath(prefix, path.substr(0, begin - 1)), "must be a map");
    }
    const std::size_t end = std::min(path.find('.', begin), path.size());
    node = node->Find(std::string_view(path).substr(begin, end - begin), report.ignore_key_case);
    if (node == nullptr || node->is_null()) return absl::OkStatus();
    begin = end + 1;
  }
  out = node;
  return absl::OkStatus();
}

}  // namespace

std::string JoinPath(std::string_view prefix, std::string_view path) {
  if (prefix.empty()) return std::string(path);
  if (path.empty()) return std::string(prefix);
  return StrCat(prefix, ".", path);
}

absl::Status FindField(const ConfigNode& map, const std::string& prefix, const std::string& path,
                       const std::vector<std::string>& old_paths, ConfigReport& report,
                       const ConfigNode*& out) {
  RETURN_IF_ERROR(FindPathInMaps(map, prefix, path, report, out));
  for (const std::string& old : old_paths) {
    const ConfigNode* found = nullptr;
    RETURN_IF_ERROR(FindPathInMaps(map, prefix, old, report, found));
    if (found == nullptr) continue;
    const std::string now = JoinPath(prefix, path);
    if (out != nullptr) {
      report.Warn(*found, JoinPath(prefix, old), StrCat("ignored, ", now, " is set, too"));
    } else {
      report.Warn(*found, JoinPath(prefix, old), StrCat("the key is now ", now));
      out = found;
    }
  }
  return absl::OkStatus();
}

void WarnUnknown(const ConfigNode& map, const std::string& prefix,
                 const std::vector<KnownPath>& known, ConfigReport& report) {
  std::vector<std::string> paths;
  for (const KnownPath& one : known) {
    paths.push_back(report.ignore_key_case ? Lower(one.path) : one.path);
    for (const std::string& old : one.old_paths) {
      paths.push_back(report.ignore_key_case ? Lower(old) : old);
    }
  }
  WarnBelow(map, prefix, "", paths, report);
}

void Mask(ConfigNode& node) {
  if (node.kind == ConfigNode::Kind::kScalar && !node.text.empty()) {
    node = ConfigNode::Quoted("***");
  }
  for (ConfigNode& item : node.items) Mask(item);
  for (auto& [key, value] : node.entries) Mask(value);
}

}  // namespace internal
}  // namespace dragonfly
