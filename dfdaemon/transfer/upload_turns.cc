#include "dfdaemon/transfer/upload_turns.h"

#include <utility>

#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/post.hpp>

namespace dragonfly::dfdaemon {
namespace {

SteadyTime Now() { return std::chrono::steady_clock::now(); }

}  // namespace

void UploadTurns::Wake(const std::shared_ptr<Waiter>& waiter) {
  asio::post(waiter->executor, [waiter] { waiter->timer.cancel(); });
}

void UploadTurns::Admit() {
  turns_.clear();
  queue_.Admit(Now(), turns_);
  for (const UploadQueue::Ticket ticket : turns_) {
    const auto found = waiters_.find(ticket);
    if (found == waiters_.end()) continue;
    found->second->admitted.store(true, std::memory_order_release);
    Wake(found->second);
    waiters_.erase(found);
    if (ticket == keeper_) keeper_ = 0;
  }
  if (keeper_ == 0 && !waiters_.empty()) {
    keeper_ = waiters_.begin()->first;
    Wake(waiters_.begin()->second);
  }
}

void UploadTurns::Leave(UploadQueue::Ticket ticket) {
  const MutexLock lock(mutex_);
  queue_.Leave(Now(), ticket);
  waiters_.erase(ticket);
  if (ticket == keeper_) keeper_ = 0;
  Admit();
}

void UploadTurns::Whole(UploadQueue::Ticket ticket) {
  const MutexLock lock(mutex_);
  queue_.Whole(ticket);
  Admit();
}

SteadyTime UploadTurns::SleepUntil(UploadQueue::Ticket ticket) {
  const MutexLock lock(mutex_);
  if (ticket != keeper_) return SteadyTime::max();
  Admit();
  return ticket == keeper_ ? queue_.next_check(Now()) : SteadyTime::max();
}

Awaitable<absl::StatusOr<UploadTurns::Turn>> UploadTurns::Wait(TcpStream& stream,
                                                               std::uint64_t piece,
                                                               std::uint64_t length, bool coming) {
  const auto waiter = std::make_shared<Waiter>(stream.socket().get_executor());
  UploadQueue::Ticket ticket = 0;
  {
    const MutexLock lock(mutex_);
    ticket = queue_.Enter(Now(), piece, length, coming);
    waiters_.emplace(ticket, waiter);
    Admit();
  }
  // Leaves the queue as well when nobody waits any more.
  Turn turn(*this, ticket);
  while (!waiter->admitted.load(std::memory_order_acquire)) {
    waiter->timer.expires_at(SleepUntil(ticket));
    if (waiter->admitted.load(std::memory_order_acquire)) break;
    auto [order, timer_error, socket_error] =
        co_await asio::experimental::make_parallel_group(
            waiter->timer.async_wait(asio::deferred),
            stream.socket().async_wait(TcpStream::Socket::wait_error, asio::deferred))
            .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    (void)timer_error;
    (void)socket_error;
    if (order[0] != 1) continue;
    if (stream.broken()) {
      co_return absl::UnavailableError("the peer broke the connection before its turn came");
    }
  }
  co_return std::move(turn);
}

void UploadTurns::Moved(std::uint64_t bytes) {
  if (bytes == 0) return;
  const MutexLock lock(mutex_);
  queue_.Moved(Now(), bytes);
}

double UploadTurns::capacity() {
  const MutexLock lock(mutex_);
  return queue_.capacity(Now());
}

std::size_t UploadTurns::waiting() const {
  const MutexLock lock(mutex_);
  return queue_.waiting();
}

std::uint32_t UploadTurns::active() const {
  const MutexLock lock(mutex_);
  return queue_.active();
}

}  // namespace dragonfly::dfdaemon
