#pragma once

#include <string>
#include <string_view>

namespace dragonfly {

/// Facts of this build. The commit is what git said, or the build argument DRAGONFLY_GIT_COMMIT where
/// there is no repository; `unknown` when neither was there.
struct Version {
  std::string_view semver;        ///< `0.1.0`
  std::string_view commit;        ///< 9 hexadecimal digits
  std::string_view commit_date;   ///< `YYYY-MM-DD`
  std::string_view platform;      ///< `x86_64-linux-gnu`
};

[[nodiscard]] const Version& BuildVersion();

/// `<binary> <semver> (<commit>, <date>)`, what `-V` prints.
[[nodiscard]] std::string VersionLine(std::string_view binary);

}  // namespace dragonfly
