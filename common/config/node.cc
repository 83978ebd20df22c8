#include "common/config/node.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/strings.h"

namespace dragonfly {
namespace {

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool SameKey(std::string_view a, std::string_view b, bool ignore_case) {
  if (!ignore_case) return a == b;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ToLower(x) == ToLower(y); });
}

void AppendQuoted(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
    } else {
      out += c;
    }
  }
  out += '"';
}

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Whether `text` means itself in every YAML parser; the rest is quoted.
bool IsPlain(std::string_view text) {
  if (text.empty() || text.size() > 64 || text == "null" || text == "Null" || text == "NULL") {
    return false;
  }
  const bool negative = text.front() == '-' && text.size() > 1 && text[1] >= '0' && text[1] <= '9';
  if ((!IsAlphanumeric(text.front()) && !negative) || !IsAlphanumeric(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return IsAlphanumeric(c) || c == '_' || c == '-' || c == '+' || c == '.' || c == ' ';
  });
}

void Append(const ConfigNode& node, std::size_t indent, std::string& out);

// The part behind "key:" or "-".
void AppendChild(const ConfigNode& node, std::size_t indent, std::string& out) {
  const bool nested = (node.kind == ConfigNode::Kind::kMap && !node.entries.empty()) ||
                      (node.kind == ConfigNode::Kind::kList && !node.items.empty());
  out += nested ? '\n' : ' ';
  Append(node, indent, out);
}

void Append(const ConfigNode& node, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      out += "null\n";
      return;
    case ConfigNode::Kind::kScalar:
      if (node.quoted || !IsPlain(node.text)) {
        AppendQuoted(node.text, out);
      } else {
        out += node.text;
      }
      out += '\n';
      return;
    case ConfigNode::Kind::kList:
      if (node.items.empty()) out += "[]\n";
      for (const ConfigNode& item : node.items) {
        out += StrCat(margin, "-");
        AppendChild(item, indent + 2, out);
      }
      return;
    case ConfigNode::Kind::kMap:
      if (node.entries.empty()) out += "{}\n";
      for (const auto& [key, value] : node.entries) {
        out += margin;
        if (IsPlain(key)) {
          out += key;
        } else {
          AppendQuoted(key, out);
        }
        out += ':';
        AppendChild(value, indent + 2, out);
      }
      return;
  }
}

}  // namespace

ConfigNode ConfigNode::Plain(std::string text) {
  ConfigNode node;
  node.kind = Kind::kScalar;
  node.text = std::move(text);
  return node;
}

ConfigNode ConfigNode::Quoted(std::string text) {
  ConfigNode node = Plain(std::move(text));
  node.quoted = true;
  return node;
}

const ConfigNode* ConfigNode::Find(std::string_view key, bool ignore_case) const {
  if (kind != Kind::kMap) return nullptr;
  for (const auto& [name, value] : entries) {
    if (SameKey(name, key, ignore_case)) return &value;
  }
  return nullptr;
}

const ConfigNode* ConfigNode::FindPath(std::string_view path, bool ignore_case) const {
  const ConfigNode* node = this;
  while (node != nullptr && !path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    node = node->Find(path.substr(0, dot), ignore_case);
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return node;
}

void ConfigNode::SetPath(std::string_view path, ConfigNode value) {
  ConfigNode* node = this;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string_view key = path.substr(0, dot);
    path.remove_prefix(std::min(dot + 1, path.size()));
    node->kind = Kind::kMap;
    auto found = std::find_if(node->entries.begin(), node->entries.end(),
                              [key](const auto& entry) { return entry.key == key; });
    if (found == node->entries.end()) {
      node->entries.push_back({std::string(key), ConfigNode()});
      found = std::prev(node->entries.end());
    }
    node = &found->value;
  }
  *node = std::move(value);
}

std::string EmitYaml(const ConfigNode& node) {
  std::string out;
  Append(node, 0, out);
  return out;
}

}  // namespace dragonfly
