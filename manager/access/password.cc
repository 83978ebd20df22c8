#include "manager/access/password.h"

#include <crypt.h>
#include <sys/random.h>

#include <array>
#include <cstring>
#include <memory>

namespace dragonfly::manager {
namespace {

constexpr unsigned long kCost = 10;

// 56 characters; bytes beyond the largest multiple are drawn again, so that all are as likely.
constexpr std::string_view kAlphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
constexpr unsigned kUsable = 256 / kAlphabet.size() * kAlphabet.size();

absl::StatusOr<std::string> Crypt(const std::string& password, const std::string& setting) {
  // Too large for a stack.
  const auto data = std::make_unique<crypt_data>();
  const char* result = crypt_r(password.c_str(), setting.c_str(), data.get());
  if (result == nullptr || result[0] == '*') return absl::InternalError("bcrypt failed");
  return std::string(result);
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

}  // namespace

absl::StatusOr<std::string> HashPassword(const std::string& password) {
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  if (crypt_gensalt_rn("$2b$", kCost, nullptr, 0, setting.data(), setting.size()) == nullptr) {
    return absl::InternalError("no salt for a password");
  }
  return Crypt(password, setting.data());
}

bool VerifyPassword(const std::string& password, const std::string& hash) {
  if (!hash.starts_with("$2")) return false;
  const auto computed = Crypt(password, hash);
  return computed.ok() && EqualInConstantTime(*computed, hash);
}

absl::StatusOr<std::string> GenerateSecret(std::size_t length) {
  std::string result;
  while (result.size() < length) {
    unsigned char byte = 0;
    if (getrandom(&byte, 1, 0) != 1) return absl::InternalError("no random bytes");
    if (byte < kUsable) result += kAlphabet[byte % kAlphabet.size()];
  }
  return result;
}

}  // namespace dragonfly::manager
