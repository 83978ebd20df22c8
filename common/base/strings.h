#pragma once

// Distributions build Abseil so that absl::string_view may be a class of its own, which does not
// convert from or to std::string_view. Our interfaces use std::string_view; these meet Abseil's.

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace dragonfly {

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

namespace internal {
template <class T>
decltype(auto) ForStrCat(T&& value) {
  if constexpr (std::is_same_v<std::remove_cvref_t<T>, std::string_view>) {
    return ToAbsl(value);
  } else {
    return std::forward<T>(value);
  }
}
}  // namespace internal

/// absl::StrCat that also takes std::string_view.
template <class... Args>
std::string StrCat(Args&&... args) {
  return absl::StrCat(internal::ForStrCat(std::forward<Args>(args))...);
}

}  // namespace dragonfly
