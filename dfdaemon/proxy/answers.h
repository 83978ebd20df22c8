#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/types.h"
#include "common/http/server.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

// What the proxy answers, as far as it is decided here. Pure.

/// Who failed, in the words that clients of the original compare with.
enum class ErrorType : std::uint8_t {
  kBackend,   ///< The origin.
  kProxy,     ///< The request, or this proxy.
  kDfdaemon,  ///< The download.
};

/// Plain text with X-Dragonfly-Error-Type.
[[nodiscard]] HttpResponse ErrorAnswer(int status, ErrorType type, std::string_view text);

/// The answer for a download that failed before its first byte: the origin's own status and fields
/// without a body when the origin said something; else 500, 504 when time was over.
[[nodiscard]] HttpResponse TaskErrorAnswer(const absl::Status& status);

/// 416, with the length that there is when it is known.
[[nodiscard]] HttpResponse UnsatisfiableRange(std::optional<std::uint64_t> content_length);

/// Head of the answer that carries a task's bytes: 206 for a range, else 200; the origin's fields as
/// far as they are true of these bytes and not meant for another client.
[[nodiscard]] HttpResponseHead TaskHead(const DownloadStarted& started, std::string_view server_ip);

/// The status code the proxy passes on for a failed direct request.
[[nodiscard]] HttpResponse UnreachableAnswer(const absl::Status& status);

}  // namespace dragonfly::dfdaemon
