#include "dfdaemon/transfer/vortex_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <atomic>
#include <csignal>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "common/async/sleep.h"
#include "common/async/task_group.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "dfdaemon/transfer/tcp_stream.h"
#include "dfdaemon/transfer/upload_connection.h"

namespace dragonfly::dfdaemon {
namespace {

using tcp = asio::ip::tcp;

constexpr int kBacklog = 1024;
constexpr int kFastOpenQueue = 1024;
// After a failed accept, mostly for want of descriptors.
constexpr auto kAcceptAgainAfter = std::chrono::milliseconds(100);

// A place among max_connections.
class Slot {
 public:
  explicit Slot(std::atomic<std::size_t>& taken) : taken_(&taken) { ++taken; }
  Slot(Slot&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
  Slot& operator=(Slot&&) = delete;
  ~Slot() {
    if (taken_ != nullptr) --*taken_;
  }

 private:
  std::atomic<std::size_t>* taken_;
};

}  // namespace

class VortexServer::Impl {
 public:
  Impl(VortexServerOptions options, Storage& storage, RateLimiter& upload, TransferMetrics& metrics,
       Logger log, Runtime& data, BlockingPool& disk)
      : context_{std::move(options), storage, upload, metrics, std::move(log), disk, turns_},
        data_(data),
        accepting_(data.executor(0)) {
    for (std::size_t i = 0; i < data.size(); ++i) {
      groups_.push_back(std::make_unique<TaskGroup>(data.executor(i)));
    }
  }

  absl::Status Start();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t connections() const { return connections_; }
  Awaitable<> Stop();

 private:
  absl::Status Listen(tcp::acceptor& acceptor, const tcp::endpoint& endpoint);
  Awaitable<> Accept(tcp::acceptor acceptor);
  Awaitable<> Serve(tcp::socket socket, Slot slot);

  UploadTurns turns_;
  const UploadContext context_;
  Runtime& data_;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> connections_{0};
  TaskGroup accepting_;
  std::vector<std::unique_ptr<TaskGroup>> groups_;  // One per executor of data_.
};

absl::Status VortexServer::Impl::Start() {
  const VortexServerOptions& options = context_.options;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.ip, error);
  if (error) return absl::InvalidArgumentError(StrCat("no IP address: ", options.ip));
  std::signal(SIGPIPE, SIG_IGN);
  tcp::acceptor acceptor(data_.executor(0));
  RETURN_IF_ERROR(Listen(acceptor, {address, options.port}));
  port_ = acceptor.local_endpoint(error).port();
  accepting_.Spawn(Accept(std::move(acceptor)));
  return absl::OkStatus();
}

absl::Status VortexServer::Impl::Listen(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  boost::system::error_code error;
  (void)acceptor.open(endpoint.protocol(), error);
  if (!error) (void)acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) (void)acceptor.bind(endpoint, error);
  if (!error) {
    const int fd = acceptor.native_handle();
    Tune(fd, {.send_buffer_bytes = context_.options.send_buffer_bytes});
    // What is sent should be on its way, not in a buffer of the kernel: else a turn would end long
    // before its piece is through, and several would share the link.
    constexpr int kNotSent = 256 * 1024;
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kNotSent, sizeof(kNotSent));
    constexpr std::string_view kCongestion = "cubic";
    if (::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kCongestion.data(), kCongestion.size()) !=
        0) {
      context_.log.Debug("tcp congestion control cubic is not available", {});
    }
    if (context_.options.tcp_fastopen &&
        ::setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &kFastOpenQueue, sizeof(kFastOpenQueue)) != 0) {
      context_.log.Warn("tcp fast open is not available", {});
    }
    (void)acceptor.listen(kBacklog, error);
  }
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(StrCat("listen on ", endpoint.address().to_string(), " port ",
                                       endpoint.port(), ": ", error.message()));
}

Awaitable<> VortexServer::Impl::Accept(tcp::acceptor acceptor) {
  bool refusing = false;
  for (std::size_t next = 0;; ++next) {
    const std::size_t index = next % groups_.size();
    auto [error, socket] = co_await acceptor.async_accept(data_.executor(index), kAwait);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      context_.log.Warn("cannot accept a vortex connection", {{"error", error.message()}});
      co_await SleepFor(kAcceptAgainAfter);
      continue;
    }
    const bool full = connections_ >= context_.options.max_connections;
    if (full && !refusing) {
      context_.log.Warn("refusing vortex connections: too many",
                        {{"connections", connections_.load()}});
    }
    refusing = full;
    if (!full) groups_[index]->Spawn(Serve(std::move(socket), Slot(connections_)));
  }
}

Awaitable<> VortexServer::Impl::Serve(tcp::socket socket, Slot slot) {
  (void)slot;
  UploadConnection connection(context_, std::move(socket));
  co_await connection.Run();
}

Awaitable<> VortexServer::Impl::Stop() {
  co_await accepting_.Stop();
  for (const auto& group : groups_) co_await group->Stop();
}

VortexServer::VortexServer(VortexServerOptions options, Storage& storage, RateLimiter& upload,
                           TransferMetrics& metrics, Logger log, Runtime& data, BlockingPool& disk)
    : impl_(std::make_unique<Impl>(std::move(options), storage, upload, metrics, std::move(log),
                                   data, disk)) {}

VortexServer::~VortexServer() = default;

absl::Status VortexServer::Start() { return impl_->Start(); }
std::uint16_t VortexServer::port() const { return impl_->port(); }
std::size_t VortexServer::connections() const { return impl_->connections(); }
Awaitable<> VortexServer::Stop() { return impl_->Stop(); }

}  // namespace dragonfly::dfdaemon
