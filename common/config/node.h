#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragonfly {

/// A value of a configuration file, as a tree.
struct ConfigNode {
  enum class Kind : unsigned char { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  /// Line in the file, from 1; 0 when it does not come from one.
  std::size_t line = 0;
  std::string text;                                           // kScalar
  bool quoted = false;                                        // kScalar: a string whatever it says
  std::vector<ConfigNode> items;                              // kList
  struct Entry;
  std::vector<Entry> entries;                                 // kMap, in the order of the file

  [[nodiscard]] static ConfigNode Plain(std::string text);
  [[nodiscard]] static ConfigNode Quoted(std::string text);

  [[nodiscard]] bool is_null() const { return kind == Kind::kNull; }
  /// The entry of that key; nullptr when absent or when this is no map.
  [[nodiscard]] const ConfigNode* Find(std::string_view key, bool ignore_case = false) const;
  /// Goes down a path of keys with dots, `upload.server.port`.
  [[nodiscard]] const ConfigNode* FindPath(std::string_view path, bool ignore_case = false) const;
  /// Sets the value at a path with dots and makes the maps on the way.
  void SetPath(std::string_view path, ConfigNode value);
};

struct ConfigNode::Entry {
  std::string key;
  ConfigNode value;
};

struct YamlLimits {
  std::size_t max_bytes = 1024 * 1024;
  std::size_t max_depth = 32;
  std::size_t max_nodes = 100'000;  ///< Counted with aliases written out.
};

/// The tree of a YAML text; an empty text gives kNull. InvalidArgument "line 3: reason" for
/// bad syntax, more than one document, a key given twice, keys that are no scalars or longer than
/// 250 bytes, and texts beyond the limits.
[[nodiscard]] absl::StatusOr<ConfigNode> ParseYaml(std::string_view text, YamlLimits limits = {});

/// Reads and parses a file; blocks. NotFound when it is not there. Errors begin with the path.
[[nodiscard]] absl::StatusOr<ConfigNode> ReadYamlFile(const std::string& path,
                                                      YamlLimits limits = {});

/// YAML that parses to the same tree.
[[nodiscard]] std::string EmitYaml(const ConfigNode& node);

}  // namespace dragonfly
