#include "dfdaemon/cluster/announcer.h"

#include <algorithm>
#include <utility>

#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/rpc/client.h"
#include "common/version/version.h"
#include "dfdaemon/cluster/conversions.h"
#include "scheduler.grpc.pb.h"

namespace dragonfly::dfdaemon {
namespace {

using Stub = pb::scheduler::Scheduler::Stub;

constexpr auto kMaxRetry = std::chrono::milliseconds(30'000);

}  // namespace

Announcer::Announcer(asio::any_io_executor executor, AnnouncerOptions options, HostIdentity host,
                     HostProbe& probe, NetworkMonitor& network, rpc::ChannelPool& channels,
                     SchedulerDirectory& directory)
    : executor_(executor),
      options_(std::move(options)),
      host_(std::move(host)),
      probe_(probe),
      network_(network),
      channels_(channels),
      directory_(directory),
      group_(executor) {}

void Announcer::Start() { group_.Spawn(Run()); }

Awaitable<> Announcer::Stop() { co_await group_.Stop(); }

pb::scheduler::AnnounceHostRequest Announcer::Message() {
  pb::scheduler::AnnounceHostRequest request;
  auto& host = *request.mutable_host();
  ToProto(probe_.Sample(), host);
  host.set_id(host_.id.str());
  host.set_type(host_.type);
  host.set_hostname(host_.hostname);
  host.set_name(host_.name);
  host.set_ip(host_.ip);
  host.set_port(host_.upload_port);
  host.set_download_port(host_.upload_port);
  host.set_proxy_port(host_.proxy_port);
  auto& network = *host.mutable_network();
  ToProto(network_.latest(), network);
  if (!host_.idc.empty()) network.set_idc(host_.idc);
  if (!host_.location.empty()) network.set_location(host_.location);
  auto& build = *host.mutable_build();
  // Build metadata, for schedulers that know it: this daemon can get pieces from its own children.
  build.set_git_version(StrCat(BuildVersion().semver, "+trades"));
  build.set_git_commit(std::string(BuildVersion().commit));
  build.set_platform(std::string(BuildVersion().platform));
  host.set_scheduler_cluster_id(host_.scheduler_cluster_id.value_or(0));
  host.set_disable_shared(host_.disable_shared);
  ToProto(options_.interval, *request.mutable_interval());
  return request;
}

Awaitable<absl::Status> Announcer::AnnounceTo(SchedulerEndpoint scheduler) {
  auto channel = channels_.Get(scheduler.address(), std::chrono::steady_clock::now());
  if (!channel.ok()) co_return channel.status();
  const auto stub = pb::scheduler::Scheduler::NewStub(*channel);
  const auto response =
      co_await rpc::Unary(*stub->async(), &Stub::async::AnnounceHost, Message(), options_.timeout);
  co_return Annotate(response.status(), StrCat("announce host to ", scheduler.address()));
}

Awaitable<absl::Status> Announcer::AnnounceToAll() {
  absl::Status first;
  const auto schedulers = directory_.current();
  for (const auto& scheduler : schedulers->endpoints()) {
    const absl::Status status = co_await AnnounceTo(scheduler);
    first.Update(status);
    if (status.ok()) {
      states_[scheduler.address()] = {std::chrono::steady_clock::now() + options_.interval, {}};
    }
  }
  co_return first;
}

Awaitable<absl::Status> Announcer::DeleteHost() {
  absl::Status first;
  const auto schedulers = directory_.current();
  for (const auto& scheduler : schedulers->endpoints()) {
    auto channel = channels_.Get(scheduler.address(), std::chrono::steady_clock::now());
    if (!channel.ok()) {
      first.Update(channel.status());
      continue;
    }
    const auto stub = pb::scheduler::Scheduler::NewStub(*channel);
    pb::scheduler::DeleteHostRequest request;
    request.set_host_id(host_.id.str());
    const auto response =
        co_await rpc::Unary(*stub->async(), &Stub::async::DeleteHost, request, options_.timeout);
    first.Update(Annotate(response.status(), StrCat("delete host at ", scheduler.address())));
  }
  co_return first;
}

Awaitable<> Announcer::Run() {
  while (true) {
    const auto version = directory_.changed().version();
    const auto schedulers = directory_.current();
    // Forget those that left, so that they are greeted again when they come back.
    absl::erase_if(states_, [&schedulers](const auto& entry) {
      return std::none_of(schedulers->endpoints().begin(), schedulers->endpoints().end(),
                          [&entry](const auto& s) { return s.address() == entry.first; });
    });
    for (const auto& scheduler : schedulers->endpoints()) {
      if (states_[scheduler.address()].due > std::chrono::steady_clock::now()) continue;
      const absl::Status status = co_await AnnounceTo(scheduler);
      State& state = states_[scheduler.address()];
      if (status.ok()) {
        state = {std::chrono::steady_clock::now() + options_.interval, {}};
        continue;
      }
      if (options_.warn) options_.warn(std::string(status.message()));
      state.retry =
          state.retry.count() == 0 ? options_.first_retry : std::min(state.retry * 2, kMaxRetry);
      state.due = std::chrono::steady_clock::now() + std::min(state.retry, options_.interval);
    }
    SteadyTime next = std::chrono::steady_clock::now() + options_.interval;
    for (const auto& [address, state] : states_) next = std::min(next, state.due);
    (void)co_await directory_.changed().WaitPast(version, next);
  }
}

}  // namespace dragonfly::dfdaemon
