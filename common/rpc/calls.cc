#include "common/rpc/calls.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace dragonfly::rpc {
namespace {

absl::Status ShuttingDown() { return absl::UnavailableError("the server is shutting down"); }

}  // namespace

ServerCall::ServerCall(Calls& calls, std::string_view method, grpc::CallbackServerContext* context)
    : calls_(calls),
      method_(method),
      context_(context),
      started_(std::chrono::steady_clock::now()) {}

ServerCall::~ServerCall() {
  // First: when the last call has left the list, executors may go away.
  kept_.reset();
  if (!position_.has_value()) return;
  if (CallObserver* observer = calls_.options().observer; observer != nullptr) {
    observer->CallEnded(method_, code_, std::chrono::steady_clock::now() - started_);
  }
  calls_.Remove(*position_);
}

void ServerCall::Register() {
  if (CallObserver* observer = calls_.options().observer; observer != nullptr) {
    observer->CallStarted(method_);
  }
  position_ = calls_.Add(weak_from_this());
}

void ServerCall::EndWhenDraining() {
  // In this order, so that a drain that begins now either sees the mark or is seen here.
  endless_ = true;
  if (calls_.closed()) Cancel(ShuttingDown());
}

std::string ServerCall::peer_ip() const {
  // "ipv4:1.2.3.4:5", "ipv6:%5B::1%5D:5" (older gRPC: "ipv6:[::1]:5").
  const std::string peer = context_->peer();
  std::string_view text = peer;
  const std::size_t port = text.rfind(':');
  if (text.starts_with("ipv4:")) return std::string(text.substr(5, port - 5));
  if (!text.starts_with("ipv6:")) return "";
  text = text.substr(5, port - 5);
  for (const std::string_view open : {std::string_view("%5B"), std::string_view("[")}) {
    if (text.starts_with(open)) text.remove_prefix(open.size());
  }
  for (const std::string_view close : {std::string_view("%5D"), std::string_view("]")}) {
    if (text.ends_with(close)) text.remove_suffix(close.size());
  }
  return std::string(text);
}

std::string ServerCall::Metadata(std::string_view key) const {
  const auto& all = context_->client_metadata();
  const auto found = all.find(grpc::string_ref(key.data(), key.size()));
  if (found == all.end()) return "";
  return {found->second.data(), found->second.size()};
}

Calls::Calls(Options options)
    : options_(std::move(options)),
      tokens_(options_.burst),
      refilled_(std::chrono::steady_clock::now()) {}

Calls::~Calls() { DF_DCHECK(open() == 0); }

std::size_t Calls::open() const {
  const absl::MutexLock lock(&mutex_);
  return open_.size();
}

void Calls::Close() {
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  CancelOpen(Which::kEndless);
}

bool Calls::closed() const {
  const absl::MutexLock lock(&mutex_);
  return closed_;
}

void Calls::CancelAll() { CancelOpen(Which::kAll); }

void Calls::CancelOpen(Which which) {
  std::vector<std::shared_ptr<ServerCall>> calls;
  {
    const absl::MutexLock lock(&mutex_);
    calls.reserve(open_.size());
    for (const auto& weak : open_) {
      // One whose destructor is waiting for this mutex is gone already.
      if (auto call = weak.lock(); call != nullptr) calls.push_back(std::move(call));
    }
  }
  for (const auto& call : calls) {
    if (which == Which::kAll || call->endless_) call->Cancel(ShuttingDown());
  }
}

Awaitable<bool> Calls::WaitEmpty(SteadyTime deadline) {
  const auto executor = co_await asio::this_coro::executor;
  while (true) {
    auto timer = std::make_shared<asio::steady_timer>(executor, deadline);
    {
      const absl::MutexLock lock(&mutex_);
      if (open_.empty()) co_return true;
      waiters_.push_back(timer);
    }
    auto [error] = co_await timer->async_wait(kAwait);
    if (!error) {
      const absl::MutexLock lock(&mutex_);
      std::erase(waiters_, timer);
      co_return open_.empty();
    }
  }
}

absl::Status Calls::Admit(std::string_view method) {
  const absl::MutexLock lock(&mutex_);
  if (closed_) return ShuttingDown();
  if (!TakeToken()) {
    return absl::ResourceExhaustedError(
        StrCat(method, " is rejected by grpc_ratelimit middleware, please retry later."));
  }
  return absl::OkStatus();
}

bool Calls::TakeToken() {
  if (options_.requests_per_second <= 0) return true;
  const SteadyTime now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> passed = now - refilled_;
  refilled_ = now;
  tokens_ = std::min(options_.burst, tokens_ + passed.count() * options_.requests_per_second);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Calls::List::iterator Calls::Add(std::weak_ptr<ServerCall> call) {
  const absl::MutexLock lock(&mutex_);
  return open_.insert(open_.end(), std::move(call));
}

void Calls::Remove(List::iterator position) {
  // Posted under the mutex: as soon as it is free, somebody may find the list empty and destroy us
  // or the waiters' executors.
  const absl::MutexLock lock(&mutex_);
  open_.erase(position);
  if (!open_.empty()) return;
  for (auto& timer : waiters_) asio::post(timer->get_executor(), [timer] { timer->cancel(); });
  waiters_.clear();
}

}  // namespace dragonfly::rpc
