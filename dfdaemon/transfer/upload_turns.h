#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/mutex.h"
#include "dfdaemon/pacing/upload_queue.h"
#include "dfdaemon/transfer/tcp_stream.h"

namespace dragonfly::dfdaemon {

/// The UploadQueue of this host, for connections of all executors. Thread-safe.
class UploadTurns {
 public:
  explicit UploadTurns(StreamLimit::Options limit = StreamLimit::Options()) : queue_(limit) {}

  /// A place in the queue, and from the moment at which the piece may be sent the right to send it;
  /// given back by the destructor. Movable.
  class Turn {
   public:
    Turn(UploadTurns& owner, UploadQueue::Ticket ticket) : owner_(&owner), ticket_(ticket) {}
    Turn(Turn&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), ticket_(other.ticket_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (owner_ != nullptr) owner_->Leave(ticket_);
    }
    /// The piece is not only coming any more: others may have it at the same time.
    void Whole() const { owner_->Whole(ticket_); }

   private:
    UploadTurns* owner_;
    UploadQueue::Ticket ticket_;
  };

  /// Waits until `length` bytes of what `piece` is a hash of may be sent to the peer of `stream`.
  /// Unavailable when the peer broke the connection meanwhile; that it has closed its side only
  /// means that it asks for nothing more. Runs on: the executor of `stream`.
  Awaitable<absl::StatusOr<Turn>> Wait(TcpStream& stream, std::uint64_t piece, std::uint64_t length,
                                       bool coming);

  /// Bytes that a peer confirmed.
  void Moved(std::uint64_t bytes);
  /// Bytes per second that the uplink was seen to carry; 0: not known.
  [[nodiscard]] double capacity();

  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] std::uint32_t active() const;

 private:
  struct Waiter {
    explicit Waiter(asio::any_io_executor serial) : executor(serial), timer(std::move(serial)) {}
    const asio::any_io_executor executor;
    asio::steady_timer timer;  // On the executor only.
    std::atomic<bool> admitted{false};
  };

  void Leave(UploadQueue::Ticket ticket);
  void Whole(UploadQueue::Ticket ticket);
  /// Wakes those whose turn it is.
  void Admit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Wake(const std::shared_ptr<Waiter>& waiter);
  /// Until when this waiter sleeps: one of them looks after the queue for all.
  SteadyTime SleepUntil(UploadQueue::Ticket ticket);

  mutable Mutex mutex_;
  UploadQueue queue_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<UploadQueue::Ticket, std::shared_ptr<Waiter>> waiters_
      ABSL_GUARDED_BY(mutex_);
  UploadQueue::Ticket keeper_ ABSL_GUARDED_BY(mutex_) = 0;  // Who looks after the queue; 0: nobody.
  std::vector<UploadQueue::Ticket> turns_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::dfdaemon
