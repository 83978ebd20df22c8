#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

namespace dragonfly::manager {

/// Longest JSON text of one column or message field that is looked at, and how deep it may nest:
/// nlohmann-json writes and copies recursively.
inline constexpr std::size_t kMaxJsonBytes = 1024 * 1024;
inline constexpr int kMaxJsonDepth = 16;

/// The value, or a discarded one for what is no JSON or beyond the limits.
[[nodiscard]] nlohmann::json ParseJsonText(std::string_view text);

}  // namespace dragonfly::manager
