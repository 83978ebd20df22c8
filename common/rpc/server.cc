#include "common/rpc/server.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <climits>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/rpc/callback_threads.h"
#include "common/rpc/unix_socket.h"

namespace dragonfly::rpc {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr mode_t kSocketMode = 0777;

int Millis(Duration duration) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<std::int64_t>(count, 1, INT_MAX));
}

void SetIf(grpc::ServerBuilder& builder, const char* argument,
           const std::optional<Duration>& duration) {
  if (duration.has_value()) builder.AddChannelArgument(argument, Millis(*duration));
}

void Configure(grpc::ServerBuilder& builder, const ServerOptions& options) {
  builder.SetMaxReceiveMessageSize(INT_MAX);
  builder.SetMaxSendMessageSize(INT_MAX);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Probes of the bandwidth cost a ping and its answer per message, and let windows grow to
  // megabytes that are handled before anybody else's first byte. What clients send is small.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Millis(options.min_ping_interval));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  SetIf(builder, GRPC_ARG_MAX_CONNECTION_IDLE_MS, options.max_connection_idle);
  SetIf(builder, GRPC_ARG_MAX_CONNECTION_AGE_MS, options.max_connection_age);
  SetIf(builder, GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, options.max_connection_age_grace);
  // Only reflection is of gRPC's synchronous kind, and nobody calls it often.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services,
                                                      Calls& calls) {
  KeepCallbackThreads();
  // Both are registrations for all servers of the process, and may be repeated.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  std::unique_ptr<Server> server(new Server(calls));
  grpc::ServerBuilder builder;
  Configure(builder, options);
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (options.tls.has_value()) {
    ASSIGN_OR_RETURN(credentials, ServerTls(*options.tls));
  }
  server->ports_.assign(options.listen.size(), 0);
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    const std::string& address = options.listen[i];
    if (address.starts_with(kUnix)) {
      RETURN_IF_ERROR(PrepareUnixSocket(address.substr(kUnix.size())));
      builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &server->ports_[i]);
    } else {
      builder.AddListeningPort(address, credentials, &server->ports_[i]);
    }
  }
  for (grpc::Service* service : services) builder.RegisterService(service);

  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    // gRPC binds in order and stops at the first failure; what it bound has a port.
    const auto failed = std::find(server->ports_.begin(), server->ports_.end(), 0);
    const auto index = static_cast<std::size_t>(failed - server->ports_.begin());
    return absl::FailedPreconditionError(
        StrCat("listen on ", index < options.listen.size() ? options.listen[index] : "(nothing)",
               ": the address is taken, not ours or wrong, or the certificate does not fit its key"));
  }
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    if (!options.listen[i].starts_with(kUnix)) continue;
    server->ports_[i] = 0;
    chmod(options.listen[i].c_str() + kUnix.size(), kSocketMode);
  }
  return server;
}

Server::~Server() {
  if (server_ == nullptr) return;
  calls_.Close();
  calls_.CancelAll();
  StopBlocking(Duration::zero());
}

void Server::SetServing(std::string_view service, bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(std::string(service), serving);
}

Awaitable<> Server::Drain(Duration grace) {
  calls_.Close();
  auto stop = [this, grace] {
    StopBlocking(grace);
    return true;
  };
  co_await blocking_.Run(std::move(stop));
  // gRPC is done with them; handlers that still run on were cancelled by it.
  co_await calls_.WaitEmpty();
}

void Server::StopBlocking(Duration grace) {
  if (std::exchange(stopped_, true)) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(grace));
}

}  // namespace dragonfly::rpc
