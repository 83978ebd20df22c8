#pragma once

#include <string>

#include "common/http/server.h"

namespace dragonfly {

/// How the end of a response's body is told.
enum class BodyFraming : std::uint8_t {
  kNone,           ///< No body by its status.
  kContentLength,
  kChunked,
  kUntilClose,     ///< For clients of HTTP/1.0.
  kAsGiven,        ///< The answer to HEAD: the handler's Content-Length stands.
};

/// The framing of a response to `method`.
[[nodiscard]] BodyFraming ChooseFraming(const HttpResponseHead& head, std::string_view method,
                                        unsigned version);

/// Status line and fields with the empty line. Fields that would break the message apart are left
/// out, as are Connection, Transfer-Encoding and (unless kAsGiven) Content-Length: those are written
/// here. A Date is added when there is none.
[[nodiscard]] std::string WriteResponseHead(const HttpResponseHead& head, BodyFraming framing,
                                            unsigned version, bool keep_alive);

/// The reason phrase of RFC 9110, "Unknown" for other codes.
[[nodiscard]] std::string_view ReasonPhrase(int status);

}  // namespace dragonfly
