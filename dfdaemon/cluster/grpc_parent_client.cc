#include "dfdaemon/cluster/grpc_parent_client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/async/notifier.h"
#include "common/async/with_timeout.h"
#include "common/base/strings.h"
#include "common/rpc/client.h"
#include "common/rpc/pb.h"
#include "dfdaemon.grpc.pb.h"
#include "dfdaemon/cluster/conversions.h"
#include "dfdaemon/cluster/scheduler_list.h"

namespace dragonfly::dfdaemon {
namespace {

using Stub = pb::dfdaemon::DfdaemonUpload::Stub;

constexpr auto kMaxRetry = std::chrono::milliseconds(10'000);

std::string AddressOf(const CandidateParent& parent) {
  return SchedulerEndpoint{{}, parent.ip, parent.port, 0}.address();
}

std::uint16_t PortOr0(std::int32_t port) {
  return port > 0 && port <= 65535 ? static_cast<std::uint16_t>(port) : std::uint16_t{0};
}

// The three kinds of tasks have messages of their own with the same fields.
template <class Request, class Response>
class StreamOffers final : public PieceOffers {
 public:
  explicit StreamOffers(rpc::ReadStream<Request, Response> stream) : stream_(std::move(stream)) {}

  Awaitable<absl::StatusOr<std::optional<OfferedPiece>>> Next() override {
    auto message = co_await stream_.Read();
    if (!message.ok()) co_return message.status();
    if (!message->has_value()) co_return std::nullopt;
    const Response& offer = **message;
    OfferedPiece piece;
    piece.number = offer.number();
    piece.offset = offer.offset();
    piece.length = offer.length();
    piece.ip = offer.ip();
    piece.tcp_port = PortOr0(offer.tcp_port());
    piece.quic_port = PortOr0(offer.quic_port());
    co_return std::optional<OfferedPiece>(std::move(piece));
  }

 private:
  rpc::ReadStream<Request, Response> stream_;
};

// Stands for a stream that could not even be opened (bad TLS files).
class FailedOffers final : public PieceOffers {
 public:
  explicit FailedOffers(absl::Status status) : status_(std::move(status)) {}
  Awaitable<absl::StatusOr<std::optional<OfferedPiece>>> Next() override { co_return status_; }

 private:
  const absl::Status status_;
};

template <class Request, class Response, class Method>
std::unique_ptr<PieceOffers> Open(const asio::any_io_executor& executor,
                                  const std::shared_ptr<grpc::Channel>& channel, Method method,
                                  const PeerIdentity& self,
                                  const std::vector<PieceNumber>& interested) {
  Request request;
  request.set_host_id(self.host_id.str());
  request.set_task_id(self.task_id.str());
  request.mutable_interested_piece_numbers()->Assign(interested.begin(), interested.end());
  const auto stub = pb::dfdaemon::DfdaemonUpload::NewStub(channel);
  return std::make_unique<StreamOffers<Request, Response>>(
      rpc::OpenReadStream(executor, *stub->async(), method, std::move(request),
                          {.deadline = {}, .metadata = {{kTakesComingPieces, "1"}}}));
}

}  // namespace

// The load of one host, for everybody who watches it.
class GrpcParentClient::HostWatch final : public LoadWatch {
 public:
  HostWatch(asio::any_io_executor executor, std::string address, PeerIdentity self)
      : state_(std::make_shared<State>(std::move(executor), std::move(address), std::move(self))) {}
  ~HostWatch() override {
    state_->closed = true;
    if (state_->stream) state_->stream->Cancel();
    state_->wake.Notify();
  }

  [[nodiscard]] std::optional<NetworkLoad> latest() const override { return state_->latest; }
  [[nodiscard]] std::optional<SteadyTime> updated() const override { return state_->updated; }

  Awaitable<> Follow(ParentClientOptions options, rpc::ChannelPool& channels) {
    return Run(state_, options, channels);
  }

 private:
  using Stream = rpc::ReadStream<pb::dfdaemon::SyncHostRequest, pb::common::Host>;
  struct State {
    State(asio::any_io_executor executor, std::string its_address, PeerIdentity its_self)
        : address(std::move(its_address)), self(std::move(its_self)), wake(executor) {}
    const std::string address;
    const PeerIdentity self;
    Notifier wake;
    bool closed = false;
    std::optional<Stream> stream;
    std::optional<NetworkLoad> latest;
    std::optional<SteadyTime> updated;
  };

  // Belongs to the group of the client and outlives the watch by as long as a cancelled call takes.
  static Awaitable<> Run(std::shared_ptr<State> state, ParentClientOptions options,
                         rpc::ChannelPool& channels) {
    auto retry = options.first_retry;
    while (!state->closed) {
      auto channel = channels.Get(state->address, std::chrono::steady_clock::now());
      if (!channel.ok()) co_return;
      pb::dfdaemon::SyncHostRequest request;
      request.set_host_id(state->self.host_id.str());
      request.set_peer_id(state->self.peer_id.str());
      const auto stub = pb::dfdaemon::DfdaemonUpload::NewStub(*channel);
      state->stream.emplace(rpc::OpenReadStream(co_await asio::this_coro::executor, *stub->async(),
                                                &Stub::async::SyncHost, std::move(request)));
      while (true) {
        auto host = co_await WithTimeout(state->stream->Read(), options.load_timeout, "sync host");
        if (!host.ok() || !host->has_value()) break;
        if ((*host)->has_network()) state->latest = FromProto((*host)->network());
        state->updated = std::chrono::steady_clock::now();
        retry = options.first_retry;
      }
      state->stream.reset();
      if (state->closed) co_return;
      const auto version = state->wake.version();
      (void)co_await state->wake.WaitPast(version, std::chrono::steady_clock::now() + retry);
      retry = std::min(retry * 2, kMaxRetry);
    }
  }

  const std::shared_ptr<State> state_;
};

GrpcParentClient::GrpcParentClient(asio::any_io_executor executor, ParentClientOptions options,
                                   rpc::ChannelPool& channels)
    : executor_(executor), options_(options), channels_(channels), group_(executor) {}

std::unique_ptr<PieceOffers> GrpcParentClient::SyncPieces(const CandidateParent& parent,
                                                          TaskKind kind, const PeerIdentity& self,
                                                          std::vector<PieceNumber> interested) {
  auto channel = channels_.Get(AddressOf(parent), std::chrono::steady_clock::now());
  if (!channel.ok()) return std::make_unique<FailedOffers>(channel.status());
  switch (kind) {
    case TaskKind::kStandard:
      return Open<pb::dfdaemon::SyncPiecesRequest, pb::dfdaemon::SyncPiecesResponse>(
          executor_, *channel, &Stub::async::SyncPieces, self, interested);
    case TaskKind::kPersistent:
      return Open<pb::dfdaemon::SyncPersistentPiecesRequest,
                  pb::dfdaemon::SyncPersistentPiecesResponse>(
          executor_, *channel, &Stub::async::SyncPersistentPieces, self, interested);
    case TaskKind::kPersistentCache:
      return Open<pb::dfdaemon::SyncPersistentCachePiecesRequest,
                  pb::dfdaemon::SyncPersistentCachePiecesResponse>(
          executor_, *channel, &Stub::async::SyncPersistentCachePieces, self, interested);
  }
  return std::make_unique<FailedOffers>(absl::InvalidArgumentError("unknown kind of task"));
}

std::shared_ptr<ParentClient::LoadWatch> GrpcParentClient::WatchLoad(const CandidateParent& parent,
                                                                     const PeerIdentity& self) {
  auto& known = watches_[parent.host_id];
  if (auto watch = known.lock()) return watch;
  auto watch = std::make_shared<HostWatch>(executor_, AddressOf(parent), self);
  known = watch;
  group_.Spawn(watch->Follow(options_, channels_));
  // Hosts that nobody watches any more, and channels to them; both are as many as there are
  // parents, so a look at all of them per new one is cheap.
  absl::erase_if(watches_, [](const auto& entry) { return entry.second.expired(); });
  channels_.Sweep(std::chrono::steady_clock::now());
  return watch;
}

Awaitable<> GrpcParentClient::Stop() { co_await group_.Stop(); }

}  // namespace dragonfly::dfdaemon
