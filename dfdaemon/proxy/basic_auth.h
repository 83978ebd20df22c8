#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/headers.h"

namespace dragonfly::dfdaemon {

/// Name and password that clients of the proxy must present.
class BasicAuth {
 public:
  BasicAuth(std::string username, std::string password);

  enum class Result : std::uint8_t {
    kMissing,    ///< Nothing was presented, or another scheme.
    kMalformed,  ///< A value that does not decode.
    kWrong,
    kRight,
  };
  /// Checks one field's value. Takes the same time for every wrong pair.
  [[nodiscard]] Result Check(std::optional<std::string_view> value) const;

  /// Checks Proxy-Authorization, then Authorization, which is where clients of the original put it,
  /// and removes from `headers` what was meant for us: it must not reach the origin.
  Result CheckAndRemove(HttpHeaders& headers) const;

 private:
  std::string expected_;  ///< `user:password`.
};

}  // namespace dragonfly::dfdaemon
