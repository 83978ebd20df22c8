#include "common/rpc/status.h"

#include <utility>

#include "absl/strings/cord.h"
#include "common/base/strings.h"
#include "common/base/utf8.h"

namespace dragonfly::rpc {
namespace {

constexpr char kDetailsUrl[] = "dragonfly/grpc-status-details-bin";

}  // namespace

absl::Status WithDetails(absl::Status status, std::string_view details) {
  status.SetPayload(kDetailsUrl, absl::Cord(ToAbsl(details)));
  return status;
}

std::string StatusDetails(const absl::Status& status) {
  const auto payload = status.GetPayload(kDetailsUrl);
  return payload.has_value() ? std::string(*payload) : std::string();
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), ReplaceBadUtf8(ToStd(status.message())),
          StatusDetails(status)};
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (!status.error_details().empty()) {
    result = WithDetails(std::move(result), status.error_details());
  }
  return result;
}

}  // namespace dragonfly::rpc
