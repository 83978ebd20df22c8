#include "common/config/codec.h"

#include <algorithm>

namespace dragonfly {
namespace {

absl::Status NeedScalar(const ConfigNode& node, const std::string& path, ConfigReport& report,
                        std::string_view what) {
  if (node.kind == ConfigNode::Kind::kScalar) return absl::OkStatus();
  return report.Error(node, path, StrCat("must be ", what));
}

std::string ToText(__int128 value) {
  return value < 0 ? std::to_string(static_cast<std::int64_t>(value))
                   : std::to_string(static_cast<std::uint64_t>(value));
}

}  // namespace

absl::Status Text::Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                        std::string& out) const {
  RETURN_IF_ERROR(NeedScalar(node, path, report, "a text"));
  out = node.text;
  return absl::OkStatus();
}

ConfigNode Text::Write(const std::string& value) const { return ConfigNode::Quoted(value); }

absl::Status OneOf::Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                         std::string& out) const {
  RETURN_IF_ERROR(NeedScalar(node, path, report, "a text"));
  if (std::find(choices.begin(), choices.end(), node.text) == choices.end()) {
    std::string all;
    for (const std::string& choice : choices) {
      all += StrCat(all.empty() ? "" : ", ", choice.empty() ? "\"\"" : choice);
    }
    return report.Error(node, path, StrCat("\"", node.text, "\" is none of ", all));
  }
  out = node.text;
  return absl::OkStatus();
}

ConfigNode OneOf::Write(const std::string& value) const { return ConfigNode::Quoted(value); }

absl::Status Ip::Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                      std::string& out) const {
  RETURN_IF_ERROR(NeedScalar(node, path, report, "an IP address"));
  if (!node.text.empty() && !IsIpAddress(node.text)) {
    return report.Error(node, path, StrCat("\"", node.text, "\" is not an IP address"));
  }
  out = node.text;
  return absl::OkStatus();
}

ConfigNode Ip::Write(const std::string& value) const { return ConfigNode::Quoted(value); }

absl::Status Flag::Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                        bool& out) const {
  RETURN_IF_ERROR(NeedScalar(node, path, report, "true or false"));
  const auto value = ParseBool(node.text);
  if (!value.ok()) return report.Error(node, path, ToStd(value.status().message()));
  out = *value;
  return absl::OkStatus();
}

ConfigNode Flag::Write(bool value) const { return ConfigNode::Plain(value ? "true" : "false"); }

absl::Status Number::ReadWide(const ConfigNode& node, const std::string& path, ConfigReport& report,
                              __int128 type_min, __int128 type_max, __int128& out) const {
  RETURN_IF_ERROR(NeedScalar(node, path, report, "a whole number"));
  __int128 value = 0;
  const auto as_unsigned = ParseUnsigned(node.text);
  if (as_unsigned.ok()) {
    value = *as_unsigned;
  } else {
    const auto as_signed = ParseSigned(node.text);
    if (!as_signed.ok()) return report.Error(node, path, ToStd(as_signed.status().message()));
    value = *as_signed;
  }
  const __int128 lowest = std::max(type_min, static_cast<__int128>(min));
  const __int128 highest = std::min(type_max, static_cast<__int128>(max));
  if (value < lowest || value > highest) {
    return report.Error(node, path, StrCat(node.text, " is not within ", ToText(lowest), " and ",
                                           ToText(highest)));
  }
  out = value;
  return absl::OkStatus();
}

absl::Status Real::Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                        double& out) const {
  RETURN_IF_ERROR(NeedScalar(node, path, report, "a number"));
  const auto value = ParseReal(node.text);
  if (!value.ok()) return report.Error(node, path, ToStd(value.status().message()));
  if (*value < min || *value > max) {
    return report.Error(node, path, StrCat(node.text, " is not within ", min, " and ", max));
  }
  out = *value;
  return absl::OkStatus();
}

ConfigNode Real::Write(double value) const { return ConfigNode::Plain(StrCat(value)); }

absl::Status ByteSize::Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                            std::uint64_t& out) const {
  RETURN_IF_ERROR(NeedScalar(node, path, report, "a size"));
  const auto value = ParseByteSize(node.text);
  if (!value.ok()) return report.Error(node, path, ToStd(value.status().message()));
  if (*value < min || *value > max) {
    return report.Error(node, path,
                        StrCat(node.text, " is not within ", FormatByteSize(min), " and ",
                               FormatByteSize(max)));
  }
  out = *value;
  return absl::OkStatus();
}

ConfigNode ByteSize::Write(std::uint64_t value) const {
  return ConfigNode::Plain(FormatByteSize(value));
}

absl::Status DurationCodec::ReadNanos(const ConfigNode& node, const std::string& path,
                                      ConfigReport& report, std::chrono::nanoseconds& out) const {
  RETURN_IF_ERROR(NeedScalar(node, path, report, "a duration"));
  const bool go = syntax == DurationSyntax::kGo;
  auto value = go ? ParseGoDuration(node.text) : ParseHumantime(node.text);
  if (go && !value.ok() && !node.quoted) {
    if (const auto nanos = ParseSigned(node.text); nanos.ok()) {
      value = std::chrono::nanoseconds(*nanos);
    }
  }
  if (!value.ok()) return report.Error(node, path, ToStd(value.status().message()));
  if (*value < min || *value > max) {
    const auto format = go ? &FormatGoDuration : &FormatHumantime;
    return report.Error(node, path,
                        max == std::chrono::nanoseconds::max()
                            ? StrCat(node.text, " is less than ", format(min))
                            : StrCat(node.text, " is not within ", format(min), " and ",
                                     format(max)));
  }
  out = *value;
  return absl::OkStatus();
}

ConfigNode DurationCodec::WriteNanos(std::chrono::nanoseconds value) const {
  return ConfigNode::Plain(syntax == DurationSyntax::kGo ? FormatGoDuration(value)
                                                         : FormatHumantime(value));
}

namespace internal {

ConfigNode SplitAtCommas(const ConfigNode& scalar) {
  ConfigNode list;
  list.kind = ConfigNode::Kind::kList;
  list.line = scalar.line;
  std::string_view rest = scalar.text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    ConfigNode node = ConfigNode::Quoted(std::string(item));
    node.line = scalar.line;
    list.items.push_back(std::move(node));
  }
  return list;
}

}  // namespace internal
}  // namespace dragonfly
