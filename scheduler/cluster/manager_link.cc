#include "scheduler/cluster/manager_link.h"

#include <utility>

#include "common/async/sleep.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/rpc/client.h"
#include "common/rpc/pb.h"
#include "manager.grpc.pb.h"
#include "scheduler/cluster/manager_conversions.h"

namespace dragonfly::scheduler {
namespace {

using Stub = pb::manager::Manager::Stub;

class GrpcManagerLink final : public ManagerLink {
 public:
  GrpcManagerLink(ManagerLinkOptions options, const std::shared_ptr<grpc::Channel>& channel)
      : options_(std::move(options)), stub_(pb::manager::Manager::NewStub(channel)) {}

  Awaitable<absl::Status> Register() override {
    const SchedulerIdentity& self = options_.identity;
    pb::manager::UpdateSchedulerRequest request;
    request.set_source_type(pb::manager::SCHEDULER_SOURCE);
    request.set_hostname(self.hostname);
    request.set_ip(self.ip);
    request.set_port(self.port);
    // Present and empty is against the API's rules.
    if (!self.idc.empty()) request.set_idc(self.idc);
    if (!self.location.empty()) request.set_location(self.location);
    request.set_scheduler_cluster_id(self.cluster_id);
    for (const std::string& feature : self.features) request.add_features(feature);
    const auto interval = std::chrono::nanoseconds(options_.keep_alive_interval).count();
    request.set_config(StrCat(R"({"manager_keep_alive_interval":)", interval, "}"));
    const auto answer = co_await rpc::Unary(*stub_->async(), &Stub::async::UpdateScheduler,
                                            std::move(request), options_.call_timeout);
    co_return Annotate(answer.status(), "register at the manager");
  }

  Awaitable<absl::StatusOr<DynamicConfig>> Fetch() override {
    const SchedulerIdentity& self = options_.identity;
    pb::manager::GetSchedulerRequest request;
    request.set_source_type(pb::manager::SCHEDULER_SOURCE);
    request.set_hostname(self.hostname);
    request.set_ip(self.ip);
    request.set_scheduler_cluster_id(self.cluster_id);
    const auto scheduler = co_await rpc::Unary(*stub_->async(), &Stub::async::GetScheduler,
                                               std::move(request), options_.call_timeout);
    if (!scheduler.ok()) co_return Annotate(scheduler.status(), "get cluster from the manager");

    pb::manager::ListApplicationsRequest list;
    list.set_source_type(pb::manager::SCHEDULER_SOURCE);
    list.set_hostname(self.hostname);
    list.set_ip(self.ip);
    auto applications = co_await rpc::Unary(*stub_->async(), &Stub::async::ListApplications,
                                            std::move(list), options_.call_timeout);
    // Old managers do not know applications, and none is an error of its own.
    if (absl::IsNotFound(applications.status()) || absl::IsUnimplemented(applications.status())) {
      applications = pb::manager::ListApplicationsResponse();
    }
    if (!applications.ok()) {
      co_return Annotate(applications.status(), "list applications of the manager");
    }
    co_return FromProto(*scheduler, *applications);
  }

  Awaitable<absl::Status> KeepAlive() override {
    pb::manager::KeepAliveRequest request;
    request.set_source_type(pb::manager::SCHEDULER_SOURCE);
    request.set_hostname(options_.identity.hostname);
    request.set_ip(options_.identity.ip);
    request.set_cluster_id(options_.identity.cluster_id);
    auto stream = rpc::OpenWriteStream(co_await asio::this_coro::executor, *stub_->async(),
                                       &Stub::async::KeepAlive);
    while (co_await stream.Write(request)) co_await SleepFor(options_.keep_alive_interval);
    const auto end = co_await stream.Finish();
    if (!end.ok()) co_return Annotate(end.status(), "keep alive at the manager");
    co_return absl::UnavailableError("keep alive at the manager: the manager ended the stream");
  }

 private:
  const ManagerLinkOptions options_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ManagerLink>> MakeManagerLink(ManagerLinkOptions options) {
  ASSIGN_OR_RETURN(const auto channel, rpc::Connect(options.address, options.channel));
  return std::make_unique<GrpcManagerLink>(std::move(options), channel);
}

}  // namespace dragonfly::scheduler
