#include "common/rpc/health.h"

#include <functional>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpcpp/generic/generic_stub.h>

#include "common/base/strings.h"
#include "common/rpc/client.h"

namespace dragonfly::rpc {
namespace {

constexpr char kMethod[] = "/grpc.health.v1.Health/Check";
constexpr std::uint32_t kRequestService = (1U << 3U) | 2U;  // field 1, length-delimited
constexpr std::uint32_t kResponseStatus = (1U << 3U) | 0U;  // field 1, varint
constexpr std::uint64_t kServing = 1;

// Two messages of one field each; gRPC does not install their generated code.
grpc::ByteBuffer EncodeRequest(const std::string& service) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    if (!service.empty()) {
      out.WriteTag(kRequestService);
      out.WriteVarint32(static_cast<std::uint32_t>(service.size()));
      out.WriteString(service);
    }
  }
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::uint64_t DecodeStatus(const grpc::ByteBuffer& response) {
  grpc::Slice slice;
  if (!response.DumpToSingleSlice(&slice).ok()) return 0;
  google::protobuf::io::CodedInputStream in(slice.begin(), static_cast<int>(slice.size()));
  std::uint64_t status = 0;
  if (in.ReadTag() != kResponseStatus || !in.ReadVarint64(&status)) return 0;
  return status;
}

using Call = internal::UnaryClientCall<grpc::ByteBuffer, grpc::ByteBuffer>;

}  // namespace

Awaitable<absl::Status> CheckHealth(std::shared_ptr<grpc::Channel> channel, std::string service,
                                    Duration timeout) {
  grpc::GenericStub stub(std::move(channel));
  internal::Holder<Call> call(std::make_shared<Call>(co_await asio::this_coro::executor,
                                                     EncodeRequest(service), timeout));
  std::function<void(grpc::Status)> on_done = [core = call.get()](const grpc::Status& status) {
    core->Done(status);
  };
  stub.UnaryCall(call->context(), kMethod, grpc::StubOptions(), &call->request, &call->response,
                 std::move(on_done));
  if (absl::Status status = co_await call->WaitDone(); !status.ok()) co_return status;
  if (DecodeStatus(call->response) != kServing) {
    co_return absl::UnavailableError(
        StrCat("health of \"", service, "\": the server answers but is not serving"));
  }
  co_return absl::OkStatus();
}

}  // namespace dragonfly::rpc
