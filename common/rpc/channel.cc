#include "common/rpc/channel.h"

#include <algorithm>
#include <chrono>
#include <climits>

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/rpc/callback_threads.h"

namespace dragonfly::rpc {
namespace {

constexpr int kWindow = 4 << 20;
constexpr auto kMinKeepalive = std::chrono::seconds(300);

int Millis(Duration duration) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<std::int64_t>(count, 1, INT_MAX));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(std::string_view address,
                                                       const ChannelOptions& options) {
  KeepCallbackThreads();
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (options.tls.has_value() && !address.starts_with("unix:")) {
    ASSIGN_OR_RETURN(credentials, ClientTls(*options.tls));
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                   Millis(std::max<Duration>(options.keepalive_time, kMinKeepalive)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  // gRPC stops pinging a silent stream after two pings unless told otherwise.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Nodes often have http_proxy set for their downloads; the cluster is not behind it.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Millis(options.connect_timeout));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   Millis(std::max<Duration>(options.connect_timeout, std::chrono::seconds(5))));
  // Without probes of the bandwidth every message would not cost a ping and its answer; the window
  // they would find in the end is there from the start instead.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindow);
  if (!options.authority.empty()) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, options.authority);
    if (options.tls.has_value()) arguments.SetSslTargetNameOverride(options.authority);
  }
  return grpc::CreateCustomChannel(std::string(address), credentials, arguments);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelPool::Get(std::string_view address,
                                                                SteadyTime now) {
  const std::string key(address);
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto found = entries_.find(key); found != entries_.end()) {
      found->second.used = now;
      return found->second.channel;
    }
  }
  // Outside of the lock: reading certificates blocks. Whoever comes second takes the first one's.
  ASSIGN_OR_RETURN(auto channel, Connect(address, options_));
  const absl::MutexLock lock(&mutex_);
  Entry& entry = entries_[key];
  if (entry.channel == nullptr) entry.channel = std::move(channel);
  entry.used = now;
  return entry.channel;
}

void ChannelPool::Sweep(SteadyTime now) {
  const absl::MutexLock lock(&mutex_);
  absl::erase_if(entries_, [&](const auto& item) {
    return item.second.channel.use_count() == 1 && now - item.second.used >= idle_;
  });
}

void ChannelPool::Drop(std::string_view address) {
  const absl::MutexLock lock(&mutex_);
  entries_.erase(std::string(address));
}

std::size_t ChannelPool::size() const {
  const absl::MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace dragonfly::rpc
