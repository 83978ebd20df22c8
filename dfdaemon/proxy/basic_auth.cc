#include "dfdaemon/proxy/basic_auth.h"

#include <openssl/crypto.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"

namespace dragonfly::dfdaemon {

BasicAuth::BasicAuth(std::string username, std::string password)
    : expected_(StrCat(username, ":", password)) {}

BasicAuth::Result BasicAuth::Check(std::optional<std::string_view> value) const {
  if (!value) return Result::kMissing;
  const auto space = value->find(' ');
  if (space == std::string_view::npos) return Result::kMalformed;
  if (!absl::EqualsIgnoreCase(ToAbsl(value->substr(0, space)), "basic")) return Result::kMissing;
  std::string given;
  if (!absl::Base64Unescape(ToAbsl(value->substr(space + 1)), &given)) return Result::kMalformed;
  // Digests have one length, so that not even the length of the secret shows in the time.
  const std::string a = Sha256Hex(given);
  const std::string b = Sha256Hex(expected_);
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0 ? Result::kRight : Result::kWrong;
}

BasicAuth::Result BasicAuth::CheckAndRemove(HttpHeaders& headers) const {
  const Result proxy = Check(FindHeader(headers, "Proxy-Authorization"));
  RemoveHeader(headers, "Proxy-Authorization");
  if (proxy != Result::kMissing) return proxy;
  const Result direct = Check(FindHeader(headers, "Authorization"));
  if (direct == Result::kRight) RemoveHeader(headers, "Authorization");
  return direct;
}

}  // namespace dragonfly::dfdaemon
