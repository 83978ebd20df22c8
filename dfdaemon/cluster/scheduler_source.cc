#include "dfdaemon/cluster/scheduler_source.h"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include "absl/strings/numbers.h"
#include "common/async/with_timeout.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/net/url.h"
#include "common/rpc/client.h"
#include "common/rpc/pb.h"
#include "common/version/version.h"
#include "manager.grpc.pb.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr auto kManagerTimeout = std::chrono::seconds(10);
constexpr auto kResolveTimeout = std::chrono::seconds(5);
constexpr std::uint16_t kManagerPort = 65003;

class ManagerSource final : public SchedulerSource {
 public:
  ManagerSource(std::string address, rpc::ChannelOptions channel, HostIdentity host)
      : address_(std::move(address)), options_(std::move(channel)), host_(std::move(host)) {}

  Awaitable<absl::StatusOr<ListedSchedulers>> List() override {
    if (channel_ == nullptr) {
      auto channel = rpc::Connect(address_, options_);
      if (!channel.ok()) co_return Annotate(channel.status(), "connect to manager");
      channel_ = *std::move(channel);
    }
    using Stub = pb::manager::Manager::Stub;
    const auto stub = pb::manager::Manager::NewStub(channel_);
    auto response = co_await rpc::Unary(*stub->async(), &Stub::async::ListSchedulers, Request(),
                                        kManagerTimeout);
    if (!response.ok()) co_return Annotate(response.status(), "list schedulers");
    ListedSchedulers listed;
    for (const auto& scheduler : response->schedulers()) {
      if (scheduler.port() <= 0 || scheduler.port() > 65535) continue;
      const std::uint64_t cluster_id = scheduler.scheduler_cluster_id();
      listed.endpoints.push_back({scheduler.hostname(), scheduler.ip(),
                                  static_cast<std::uint16_t>(scheduler.port()), cluster_id});
      const auto& cluster = scheduler.scheduler_cluster();
      auto blocked =
          ReadBlockList(host_.is_seed ? cluster.seed_client_config() : cluster.client_config());
      if (!blocked.ok()) {
        listed.problem = StrCat("cluster ", cluster_id, ": ", blocked.status().message());
        // A slip of the pen must not allow what was forbidden.
        const auto known = block_lists_.find(cluster_id);
        if (known != block_lists_.end()) listed.block_lists.insert(*known);
      } else if (!blocked->empty()) {
        listed.block_lists[cluster_id] = *std::move(blocked);
      }
    }
    block_lists_ = listed.block_lists;
    co_return listed;
  }

  [[nodiscard]] std::string name() const override { return StrCat("manager ", address_); }

 private:
  [[nodiscard]] pb::manager::ListSchedulersRequest Request() const {
    pb::manager::ListSchedulersRequest request;
    request.set_source_type(host_.is_seed ? pb::manager::SEED_PEER_SOURCE
                                          : pb::manager::PEER_SOURCE);
    request.set_hostname(host_.hostname);
    request.set_ip(host_.ip);
    if (!host_.idc.empty()) request.set_idc(host_.idc);
    if (!host_.location.empty()) request.set_location(host_.location);
    request.set_version(std::string(BuildVersion().semver));
    request.set_commit(std::string(BuildVersion().commit));
    request.set_scheduler_cluster_id(host_.scheduler_cluster_id.value_or(0));
    return request;
  }

  const std::string address_;
  const rpc::ChannelOptions options_;
  const HostIdentity host_;
  std::shared_ptr<grpc::Channel> channel_;
  BlockLists block_lists_;  // Of the last answer.
};

class LocalSource final : public SchedulerSource {
 public:
  LocalSource(std::string name, std::function<absl::StatusOr<LocalSchedulers>()> load)
      : name_(std::move(name)), load_(std::move(load)) {}

  Awaitable<absl::StatusOr<ListedSchedulers>> List() override {
    CO_ASSIGN_OR_RETURN(const LocalSchedulers local, load_());
    std::vector<std::string> names = local.addrs;
    if (names.empty()) names.push_back(local.addr);
    ListedSchedulers listed;
    if (!local.block_list.empty()) listed.block_lists[0] = local.block_list;
    absl::Status last;
    for (const std::string& text : names) {
      auto resolved = co_await WithTimeout(Resolve(text), kResolveTimeout, "resolve scheduler");
      if (!resolved.ok()) {
        last = resolved.status();
        continue;
      }
      listed.endpoints.insert(listed.endpoints.end(), resolved->begin(), resolved->end());
    }
    // What is blocked is known all the same.
    if (listed.endpoints.empty() && !last.ok()) listed.problem = std::string(last.message());
    co_return listed;
  }

  [[nodiscard]] std::string name() const override { return name_; }

 private:
  using Endpoints = std::vector<SchedulerEndpoint>;

  static Awaitable<absl::StatusOr<Endpoints>> Resolve(std::string text) {
    CO_ASSIGN_OR_RETURN(const auto host_port, SplitHostPort(text));
    asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
    auto [error, results] =
        co_await resolver.async_resolve(host_port.first, StrCat(host_port.second),
                                        asio::ip::resolver_base::numeric_service, kAwait);
    if (error) {
      co_return absl::UnavailableError(StrCat("resolve ", text, ": ", error.message()));
    }
    // A set: one name may give an address several times, and the order must not matter.
    std::set<asio::ip::address> v4;
    std::set<asio::ip::address> v6;
    for (const auto& result : results) {
      const auto address = result.endpoint().address();
      (address.is_v4() ? v4 : v6).insert(address);
    }
    Endpoints endpoints;
    for (const auto& address : v4.empty() ? v6 : v4) {
      endpoints.push_back({host_port.first, address.to_string(), host_port.second, 0});
    }
    co_return endpoints;
  }

  const std::string name_;
  const std::function<absl::StatusOr<LocalSchedulers>()> load_;
};

}  // namespace

absl::StatusOr<std::string> ManagerAddress(std::string_view url) {
  auto parsed = Url::Parse(url);
  if (!parsed.ok() || (parsed->scheme() != "http" && parsed->scheme() != "https") ||
      parsed->host().empty()) {
    return absl::InvalidArgumentError("must be a URL such as http://manager:65003");
  }
  // A port that is the scheme's default is dropped by the parser, but nobody means it here.
  return StrCat(parsed->host(), ":", parsed->port().value_or(kManagerPort));
}

absl::StatusOr<std::pair<std::string, std::uint16_t>> SplitHostPort(std::string_view text) {
  const auto bad = [text] {
    return absl::InvalidArgumentError(StrCat("'", text, "' is not host:port"));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[') {
    if (host.back() != ']') return bad();
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  std::uint32_t port = 0;
  if (!absl::SimpleAtoi(ToAbsl(text.substr(colon + 1)), &port) || port == 0 || port > 65535 ||
      host.empty()) {
    return bad();
  }
  return std::pair(std::string(host), static_cast<std::uint16_t>(port));
}

std::unique_ptr<SchedulerSource> MakeManagerSource(std::string address, rpc::ChannelOptions channel,
                                                   HostIdentity host) {
  return std::make_unique<ManagerSource>(std::move(address), std::move(channel), std::move(host));
}

std::unique_ptr<SchedulerSource> MakeLocalSource(
    std::string name, std::function<absl::StatusOr<LocalSchedulers>()> load) {
  return std::make_unique<LocalSource>(std::move(name), std::move(load));
}

}  // namespace dragonfly::dfdaemon
