#pragma once

#include <compare>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace dragonfly {

/// A string with a meaning, so that a peer id cannot be passed where a host id is expected.
/// Construct explicitly, read with str(); hashable by std and Abseil containers.
template <class Tag>
class NamedString {
 public:
  NamedString() = default;
  explicit NamedString(std::string value) : value_(std::move(value)) {}
  explicit NamedString(std::string_view value) : value_(value) {}
  explicit NamedString(const char* value) : value_(value) {}

  [[nodiscard]] const std::string& str() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

  friend auto operator<=>(const NamedString&, const NamedString&) = default;
  friend bool operator==(const NamedString&, const NamedString&) = default;

  template <class H>
  friend H AbslHashValue(H state, const NamedString& id) {
    return H::combine(std::move(state), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, const NamedString& id) {
    return out << id.value_;
  }

 private:
  std::string value_;
};

}  // namespace dragonfly

template <class Tag>
struct std::hash<dragonfly::NamedString<Tag>> {
  std::size_t operator()(const dragonfly::NamedString<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.str());
  }
};
