#include "common/daemon/grpc_server_metrics.h"

#include <string>
#include <string_view>
#include <utility>

#include <google/protobuf/descriptor.h>

#include "absl/container/flat_hash_map.h"
#include "common/base/mutex.h"
#include "common/base/strings.h"
#include "common/metrics/labeled.h"

namespace dragonfly {
namespace {

struct Method {
  std::string type;
  std::string service;
  std::string name;
};

std::string_view TypeOf(const google::protobuf::MethodDescriptor* method) {
  if (method == nullptr) return "unary";
  if (method->client_streaming()) {
    return method->server_streaming() ? "bidi_stream" : "client_stream";
  }
  return method->server_streaming() ? "server_stream" : "unary";
}

/// `/manager.v2.Manager/KeepAlive` in its parts.
Method Describe(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const auto slash = path.find('/');
  Method result;
  result.service = path.substr(0, slash);
  result.name = slash == std::string_view::npos ? "" : path.substr(slash + 1);
  result.type = TypeOf(google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
      StrCat(result.service, ".", result.name)));
  return result;
}

/// As Go prints codes.
std::string_view NameOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return "OK";
    case absl::StatusCode::kCancelled:
      return "Canceled";
    case absl::StatusCode::kInvalidArgument:
      return "InvalidArgument";
    case absl::StatusCode::kDeadlineExceeded:
      return "DeadlineExceeded";
    case absl::StatusCode::kNotFound:
      return "NotFound";
    case absl::StatusCode::kAlreadyExists:
      return "AlreadyExists";
    case absl::StatusCode::kPermissionDenied:
      return "PermissionDenied";
    case absl::StatusCode::kResourceExhausted:
      return "ResourceExhausted";
    case absl::StatusCode::kFailedPrecondition:
      return "FailedPrecondition";
    case absl::StatusCode::kAborted:
      return "Aborted";
    case absl::StatusCode::kOutOfRange:
      return "OutOfRange";
    case absl::StatusCode::kUnimplemented:
      return "Unimplemented";
    case absl::StatusCode::kInternal:
      return "Internal";
    case absl::StatusCode::kUnavailable:
      return "Unavailable";
    case absl::StatusCode::kDataLoss:
      return "DataLoss";
    case absl::StatusCode::kUnauthenticated:
      return "Unauthenticated";
    default:
      return "Unknown";
  }
}

class GrpcServerMetrics final : public rpc::CallObserver {
 public:
  explicit GrpcServerMetrics(prometheus::Registry& registry)
      : started_(registry, "grpc_server_started_total",
                 "Total number of RPCs started on the server.",
                 {"grpc_type", "grpc_service", "grpc_method"}),
        handled_(registry, "grpc_server_handled_total",
                 "Total number of RPCs completed on the server, regardless of success or failure.",
                 {"grpc_type", "grpc_service", "grpc_method", "grpc_code"}) {}

  void CallStarted(std::string_view path) override {
    const Method& method = Known(path);
    started_.With(method.type, method.service, method.name).Increment();
  }
  void CallEnded(std::string_view path, absl::StatusCode code, Duration) override {
    const Method& method = Known(path);
    handled_.With(method.type, method.service, method.name, NameOf(code)).Increment();
  }

 private:
  /// Paths are literals of our services, so there are few.
  const Method& Known(std::string_view path) {
    const MutexLock lock(mutex_);
    auto& entry = methods_[path];
    if (entry == nullptr) entry = std::make_unique<const Method>(Describe(path));
    return *entry;
  }

  LabeledCounter<3> started_;
  LabeledCounter<4> handled_;
  Mutex mutex_;
  absl::flat_hash_map<std::string_view, std::unique_ptr<const Method>> methods_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<rpc::CallObserver> MakeGrpcServerMetrics(prometheus::Registry& registry) {
  return std::make_unique<GrpcServerMetrics>(registry);
}

}  // namespace dragonfly
