#include "dfdaemon/rpc/download_errors.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {

std::string SourceErrorJson(const SourceErrorInfo& info) {
  nlohmann::json header = nlohmann::json::object();
  for (const auto& [name, value] : info.headers) header[absl::AsciiStrToLower(name)] = value;
  nlohmann::json document;
  document["message"] = info.message;
  document["header"] = std::move(header);
  document["status_code"] = nullptr;
  if (info.status_code) document["status_code"] = *info.status_code;
  // Headers may hold any bytes; JSON may not.
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

RpcFailure DownloadFailure(const absl::Status& status) {
  if (const auto source = GetSourceError(status)) {
    return {absl::StatusCode::kInternal, StrCat("backend error: ", source->message),
            SourceErrorJson(*source)};
  }
  std::string message(status.message());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      // A URL without a source to read it from is a failure of the daemon in the original.
      if (absl::StartsWith(message, "invalid parameter")) break;
      return {status.code(), std::move(message), {}};
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnimplemented:
      return {status.code(), std::move(message), {}};
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
      return {absl::StatusCode::kFailedPrecondition, std::move(message), {}};
    case absl::StatusCode::kUnavailable:
      // The original's text when nothing could be had and the source was not to be asked.
      if (absl::StartsWith(message, "download failed")) message = StrCat("unknown ", message);
      break;
    case absl::StatusCode::kResourceExhausted:
      if (!absl::StrContains(message, "no space left on device")) {
        message = StrCat("resource exhausted: ", message);
      }
      break;
    default:
      break;
  }
  return {absl::StatusCode::kInternal, std::move(message), {}};
}

}  // namespace dragonfly::dfdaemon
