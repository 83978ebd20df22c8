#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/config/node.h"
#include "common/config/report.h"
#include "common/config/values.h"

// How the values of a configuration are read and written. A codec for T is anything with
//   absl::Status Read(const ConfigNode&, const std::string& path, ConfigReport&, T&) const;
//   ConfigNode Write(const T&) const;
// Read is never called with a null node; errors come from ConfigReport::Error.

namespace dragonfly {

/// Any scalar as text.
struct Text {
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    std::string& out) const;
  [[nodiscard]] ConfigNode Write(const std::string& value) const;
};

/// One of these texts.
struct OneOf {
  std::vector<std::string> choices;

  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    std::string& out) const;
  [[nodiscard]] ConfigNode Write(const std::string& value) const;
};

/// An IP address, or an empty text for "not given".
struct Ip {
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    std::string& out) const;
  [[nodiscard]] ConfigNode Write(const std::string& value) const;
};

struct Flag {
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    bool& out) const;
  [[nodiscard]] ConfigNode Write(bool value) const;
};

/// A whole number within [min, max] and within its type.
struct Number {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();

  template <std::integral T>
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    T& out) const {
    using Limits = std::numeric_limits<T>;
    __int128 value = 0;
    RETURN_IF_ERROR(ReadWide(node, path, report, Limits::min(), Limits::max(), value));
    out = static_cast<T>(value);
    return absl::OkStatus();
  }
  template <std::integral T>
  [[nodiscard]] ConfigNode Write(T value) const {
    return ConfigNode::Plain(std::to_string(value));
  }

 private:
  absl::Status ReadWide(const ConfigNode& node, const std::string& path, ConfigReport& report,
                        __int128 type_min, __int128 type_max, __int128& out) const;
};

/// A TCP or UDP port; 0 lets the system choose.
inline constexpr Number kPort{0, 65535};

struct Real {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();

  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    double& out) const;
  [[nodiscard]] ConfigNode Write(double value) const;
};

/// Bytes, see ParseByteSize.
struct ByteSize {
  std::uint64_t min = 0;
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();

  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    std::uint64_t& out) const;
  [[nodiscard]] ConfigNode Write(std::uint64_t value) const;
};

enum class DurationSyntax : std::uint8_t {
  kHumantime,  ///< Rust: `1h 30m`.
  kGo,         ///< Go: `1h30m`; a bare number is nanoseconds.
};

struct DurationCodec {
  DurationSyntax syntax;
  std::chrono::nanoseconds min{0};
  std::chrono::nanoseconds max{std::chrono::nanoseconds::max()};

  /// Cut to the unit of `out`.
  template <class Rep, class Period>
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    std::chrono::duration<Rep, Period>& out) const {
    std::chrono::nanoseconds value{};
    RETURN_IF_ERROR(ReadNanos(node, path, report, value));
    out = std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(value);
    return absl::OkStatus();
  }
  template <class Rep, class Period>
  [[nodiscard]] ConfigNode Write(std::chrono::duration<Rep, Period> value) const {
    return WriteNanos(std::chrono::duration_cast<std::chrono::nanoseconds>(value));
  }

 private:
  absl::Status ReadNanos(const ConfigNode& node, const std::string& path, ConfigReport& report,
                         std::chrono::nanoseconds& out) const;
  [[nodiscard]] ConfigNode WriteNanos(std::chrono::nanoseconds value) const;
};

inline DurationCodec Humantime(
    std::chrono::nanoseconds min = std::chrono::nanoseconds(0),
    std::chrono::nanoseconds max = std::chrono::nanoseconds::max()) {
  return {DurationSyntax::kHumantime, min, max};
}
inline DurationCodec GoDuration(
    std::chrono::nanoseconds min = std::chrono::nanoseconds(0),
    std::chrono::nanoseconds max = std::chrono::nanoseconds::max()) {
  return {DurationSyntax::kGo, min, max};
}

namespace internal {
/// The texts of a list given as one scalar, `a, b`.
[[nodiscard]] ConfigNode SplitAtCommas(const ConfigNode& scalar);
}  // namespace internal

/// A list; replaces the default as a whole.
template <class Codec>
struct ListOf {
  Codec codec;
  /// Also take one scalar with commas, as Go's configuration library does.
  bool split_commas = false;

  template <class T>
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    std::vector<T>& out) const {
    if (split_commas && node.kind == ConfigNode::Kind::kScalar) {
      return Read(internal::SplitAtCommas(node), path, report, out);
    }
    if (node.kind != ConfigNode::Kind::kList) return report.Error(node, path, "must be a list");
    std::vector<T> result;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const std::string item_path = StrCat(path, "[", i, "]");
      if (node.items[i].is_null()) return report.Error(node.items[i], item_path, "is empty");
      T item{};
      RETURN_IF_ERROR(codec.Read(node.items[i], item_path, report, item));
      result.push_back(std::move(item));
    }
    out = std::move(result);
    return absl::OkStatus();
  }
  template <class T>
  [[nodiscard]] ConfigNode Write(const std::vector<T>& value) const {
    ConfigNode node;
    node.kind = ConfigNode::Kind::kList;
    for (const T& item : value) node.items.push_back(codec.Write(item));
    return node;
  }
};
template <class Codec>
ListOf(Codec) -> ListOf<Codec>;
template <class Codec>
ListOf(Codec, bool) -> ListOf<Codec>;

/// A map with keys of the user's choice; replaces the default as a whole.
template <class Codec>
struct MapOf {
  Codec codec;

  template <class T>
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    std::map<std::string, T>& out) const {
    if (node.kind != ConfigNode::Kind::kMap) return report.Error(node, path, "must be a map");
    std::map<std::string, T> result;
    for (const auto& [key, value] : node.entries) {
      T item{};
      if (!value.is_null()) {
        RETURN_IF_ERROR(codec.Read(value, StrCat(path, ".", key), report, item));
      }
      result.insert_or_assign(key, std::move(item));
    }
    out = std::move(result);
    return absl::OkStatus();
  }
  template <class T>
  [[nodiscard]] ConfigNode Write(const std::map<std::string, T>& value) const {
    ConfigNode node;
    node.kind = ConfigNode::Kind::kMap;
    for (const auto& [key, item] : value) node.entries.push_back({key, codec.Write(item)});
    return node;
  }
};
template <class Codec>
MapOf(Codec) -> MapOf<Codec>;

/// A value that may be absent; absent is written as null.
template <class Codec>
struct Optional {
  Codec codec;

  template <class T>
  absl::Status Read(const ConfigNode& node, const std::string& path, ConfigReport& report,
                    std::optional<T>& out) const {
    T value{};
    RETURN_IF_ERROR(codec.Read(node, path, report, value));
    out = std::move(value);
    return absl::OkStatus();
  }
  template <class T>
  [[nodiscard]] ConfigNode Write(const std::optional<T>& value) const {
    return value ? codec.Write(*value) : ConfigNode();
  }
};
template <class Codec>
Optional(Codec) -> Optional<Codec>;

}  // namespace dragonfly
