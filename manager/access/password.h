#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragonfly::manager {

/// Bounds of the original for passwords that people choose, in bytes.
inline constexpr std::size_t kMinPasswordLength = 8;
inline constexpr std::size_t kMaxPasswordLength = 20;

/// bcrypt, in the form that the original reads: `$2b$10$…`. Takes some 50 ms by design; blocks.
/// Internal when the system gives no random bytes or no bcrypt.
absl::StatusOr<std::string> HashPassword(const std::string& password);
/// Whether `hash`, `$2a$` or `$2b$`, was made from `password`. Blocks as long.
[[nodiscard]] bool VerifyPassword(const std::string& password, const std::string& hash);

/// `length` characters from the system's randomness: letters and digits, without those that look
/// alike. Internal when the system gives none.
absl::StatusOr<std::string> GenerateSecret(std::size_t length);

}  // namespace dragonfly::manager
