#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <map>
#include <sstream>
#include <stdexcept>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "absl/cleanup/cleanup.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/config/node.h"

namespace dragonfly {
namespace {

// YAML takes no key of more than 1024 characters, and a byte may be four of them when it is
// printed.
constexpr std::size_t kMaxKeyBytes = 250;

// Leaves yaml-cpp, which knows no other way out of its event loop.
struct Refused : std::runtime_error {
  Refused(std::size_t at_line, const std::string& reason) : std::runtime_error(reason), line(at_line) {}
  std::size_t line;
};

std::size_t LineOf(const YAML::Mark& mark) {
  return mark.line < 0 ? 0 : static_cast<std::size_t>(mark.line) + 1;
}

std::size_t CountNodes(const ConfigNode& node) {
  std::size_t count = 1;
  for (const ConfigNode& item : node.items) count += CountNodes(item);
  for (const auto& [key, value] : node.entries) count += 1 + CountNodes(value);
  return count;
}

// Builds our tree from events, so that aliases are counted before they are written out: yaml-cpp's
// own tree shares nodes, and walking it can take exponential time.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  [[nodiscard]] const ConfigNode& root() const { return root_; }
  ConfigNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    ConfigNode node;
    node.line = LineOf(mark);
    Add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    // An anchor is known only when its node is complete: one inside itself is refused here.
    if (found == anchors_.end()) throw Refused(LineOf(mark), "the alias refers to nothing before it");
    Count(CountNodes(found->second), LineOf(mark));
    ConfigNode copy = found->second;
    copy.line = LineOf(mark);
    Place(std::move(copy));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    ConfigNode node = ConfigNode::Plain(value);
    node.quoted = tag == "!";
    node.line = LineOf(mark);
    Add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(ConfigNode::Kind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(ConfigNode::Kind::kMap, mark, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    ConfigNode node;
    YAML::anchor_t anchor;
    bool has_key = false;
    std::string key;
  };

  void Count(std::size_t nodes, std::size_t line) {
    nodes_ += nodes;
    if (nodes_ > limits_.max_nodes) throw Refused(line, "too many values");
  }

  void Open(ConfigNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Count(1, LineOf(mark));
    if (levels_.size() >= limits_.max_depth) throw Refused(LineOf(mark), "nested too deeply");
    Level level{ConfigNode(), anchor, false, {}};
    level.node.kind = kind;
    level.node.line = LineOf(mark);
    levels_.push_back(std::move(level));
  }

  void Close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    Remember(level.anchor, level.node);
    Place(std::move(level.node));
  }

  void Add(ConfigNode node, YAML::anchor_t anchor) {
    Count(1, node.line);
    Remember(anchor, node);
    Place(std::move(node));
  }

  void Remember(YAML::anchor_t anchor, const ConfigNode& node) {
    if (anchor == YAML::NullAnchor) return;
    // Anchored copies count, too: they are memory.
    Count(CountNodes(node), node.line);
    anchors_[anchor] = node;
  }

  void Place(ConfigNode node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& parent = levels_.back();
    if (parent.node.kind == ConfigNode::Kind::kList) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    if (!parent.has_key) {
      if (node.kind != ConfigNode::Kind::kScalar) throw Refused(node.line, "a key must be a text");
      if (node.text.size() > kMaxKeyBytes) {
        throw Refused(node.line, StrCat("a key is longer than ", kMaxKeyBytes, " bytes"));
      }
      if (parent.node.Find(node.text) != nullptr) {
        throw Refused(node.line, StrCat("the key \"", node.text, "\" is given twice"));
      }
      parent.has_key = true;
      parent.key = std::move(node.text);
      return;
    }
    parent.has_key = false;
    parent.node.entries.push_back({std::move(parent.key), std::move(node)});
    parent.key.clear();
  }

  const YamlLimits limits_;
  ConfigNode root_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  std::size_t nodes_ = 0;
};

absl::Status Bad(std::size_t line, std::string_view reason) {
  if (line == 0) return absl::InvalidArgumentError(ToAbsl(reason));
  return absl::InvalidArgumentError(StrCat("line ", line, ": ", reason));
}

}  // namespace

absl::StatusOr<ConfigNode> ParseYaml(std::string_view text, YamlLimits limits) {
  if (text.size() > limits.max_bytes) {
    return Bad(0, StrCat("longer than ", limits.max_bytes, " bytes"));
  }
  // yaml-cpp takes a quote without an end for one that ends with the text, and the rest of the file
  // would be silently gone. It refuses the end of a document inside a quote.
  std::istringstream in(StrCat(text, text.ends_with('\n') ? "" : "\n", "...\n"));
  TreeBuilder builder(limits);
  TreeBuilder rest(limits);
  try {
    YAML::Parser parser(in);
    parser.HandleNextDocument(builder);
    while (parser.HandleNextDocument(rest)) {
      if (!rest.root().is_null()) return Bad(rest.root().line, "more than one document");
    }
  } catch (const Refused& refused) {
    return Bad(refused.line, refused.what());
  } catch (const YAML::Exception& error) {
    return Bad(LineOf(error.mark), error.msg);
  } catch (const std::exception& error) {
    return Bad(0, error.what());
  }
  return builder.TakeRoot();
}

absl::StatusOr<ConfigNode> ReadYamlFile(const std::string& path, YamlLimits limits) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup close = [file] { std::fclose(file); };
  std::string text;
  // One byte more than is allowed tells that there is too much.
  std::array<char, 16 * 1024> part;
  while (text.size() <= limits.max_bytes) {
    const std::size_t got = std::fread(part.data(), 1, part.size(), file);
    if (got == 0) break;
    text.append(part.data(), got);
  }
  if (std::ferror(file) != 0) return absl::ErrnoToStatus(errno, StrCat("read ", path));
  auto root = ParseYaml(text, limits);
  if (!root.ok()) return Annotate(root.status(), path);
  return root;
}

}  // namespace dragonfly
