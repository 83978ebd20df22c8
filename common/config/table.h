#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/config/codec.h"
#include "common/config/node.h"
#include "common/config/report.h"

namespace dragonfly {

struct FieldOptions {
  /// Printed as `***`, and never quoted in errors.
  bool secret = false;
  /// Paths that older files use, relative to the same table.
  std::vector<std::string> old_paths = {};
};

namespace internal {

struct KnownPath {
  std::string path;
  std::vector<std::string> old_paths;
};

/// The node of a field in `map`, nullptr when absent or null. Notes the use of an old path.
absl::Status FindField(const ConfigNode& map, const std::string& prefix, const std::string& path,
                       const std::vector<std::string>& old_paths, ConfigReport& report,
                       const ConfigNode*& out);
/// Warns of every key of `map` that is on no known path.
void WarnUnknown(const ConfigNode& map, const std::string& prefix,
                 const std::vector<KnownPath>& known, ConfigReport& report);
/// Every scalar that is not empty becomes ***.
void Mask(ConfigNode& node);
[[nodiscard]] std::string JoinPath(std::string_view prefix, std::string_view path);

}  // namespace internal

/// The keys of one block of a YAML file and the struct members they fill: one table to load, check
/// and print from. Defaults are the struct's member initialisers. A table is a codec, too, so it may
/// stand inside ListOf and Optional.
///
///   ConfigTable<DownloadConfig> Download() {
///     ConfigTable<DownloadConfig> table;
///     table.Field("server.socketPath", &DownloadConfig::socket_path, Text{})
///         .Field("bandwidthLimit", &DownloadConfig::bandwidth_limit, ByteSize{.min = 1})
///         .Field("pieceTimeout", &DownloadConfig::piece_timeout, Humantime(1s));
///     return table;
///   }
///
/// A key without a value keeps the default. Unknown keys warn; a bad value is an error that names
/// file, line, key and reason.
template <class Config>
class ConfigTable {
 public:
  /// `path` has dots between keys.
  template <class Member, class Codec>
  ConfigTable& Field(std::string path, Member Config::*member, Codec codec,
                     FieldOptions options = {}) {
    Entry entry;
    entry.path = std::move(path);
    entry.options = std::move(options);
    entry.read = [member, codec](const ConfigNode& node, const std::string& at,
                                 ConfigReport& report, Config& config) {
      return codec.Read(node, at, report, config.*member);
    };
    entry.write = [member, codec](const Config& config) { return codec.Write(config.*member); };
    entries_.push_back(std::move(entry));
    return *this;
  }

  /// The fields of a nested struct, below `path`; an empty path adds them beside ours.
  template <class Block>
  ConfigTable& Fields(const std::string& path, Block Config::*member,
                      const ConfigTable<Block>& block) {
    for (const auto& inner : block.entries_) {
      Entry entry;
      entry.path = internal::JoinPath(path, inner.path);
      entry.options = inner.options;
      for (std::string& old : entry.options.old_paths) old = internal::JoinPath(path, old);
      entry.read = [member, read = inner.read](const ConfigNode& node, const std::string& at,
                                               ConfigReport& report, Config& config) {
        return read(node, at, report, config.*member);
      };
      entry.write = [member, write = inner.write](const Config& config) {
        return write(config.*member);
      };
      entries_.push_back(std::move(entry));
    }
    for (const std::string& ignored : block.ignored_) {
      ignored_.push_back(internal::JoinPath(path, ignored));
    }
    return *this;
  }

  /// A key that existing files carry and that does nothing; no warning. Covers all below it.
  ConfigTable& Ignored(std::string path) {
    ignored_.push_back(std::move(path));
    return *this;
  }

  /// Fills `config` from a whole file.
  absl::Status Read(const ConfigNode& root, ConfigReport& report, Config& config) const {
    return Read(root, "", report, config);
  }

  /// As a codec: `path` is where `node` stands in the file.
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    Config& config) const {
    if (node.is_null()) return absl::OkStatus();
    if (node.kind != ConfigNode::Kind::kMap) return report.Error(node, path, "must be a map");
    std::vector<internal::KnownPath> known;
    for (const Entry& entry : entries_) {
      known.push_back({entry.path, entry.options.old_paths});
      const ConfigNode* found = nullptr;
      RETURN_IF_ERROR(internal::FindField(node, path, entry.path, entry.options.old_paths, report,
                                          found));
      if (found == nullptr) continue;
      const std::string at = internal::JoinPath(path, entry.path);
      absl::Status status = entry.read(*found, at, report, config);
      if (!status.ok() && entry.options.secret) return report.Error(*found, at, "is not valid");
      RETURN_IF_ERROR(status);
    }
    for (const std::string& ignored : ignored_) known.push_back({ignored, {}});
    internal::WarnUnknown(node, path, known, report);
    return absl::OkStatus();
  }

  /// The tree of all fields, secrets masked.
  [[nodiscard]] ConfigNode Write(const Config& config) const {
    ConfigNode root;
    root.kind = ConfigNode::Kind::kMap;
    for (const Entry& entry : entries_) {
      ConfigNode node = entry.write(config);
      if (entry.options.secret) internal::Mask(node);
      root.SetPath(entry.path, std::move(node));
    }
    return root;
  }

  /// The effective configuration as YAML, secrets as ***.
  [[nodiscard]] std::string Print(const Config& config) const { return EmitYaml(Write(config)); }

  /// All paths in the order of the table.
  [[nodiscard]] std::vector<std::string> Paths() const {
    std::vector<std::string> paths;
    for (const Entry& entry : entries_) paths.push_back(entry.path);
    return paths;
  }

 private:
  template <class Other>
  friend class ConfigTable;

  struct Entry {
    std::string path;
    FieldOptions options;
    std::function<absl::Status(const ConfigNode&, const std::string&, ConfigReport&, Config&)> read;
    std::function<ConfigNode(const Config&)> write;
  };

  std::vector<Entry> entries_;
  std::vector<std::string> ignored_;
};

}  // namespace dragonfly
