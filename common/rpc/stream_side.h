#pragma once

#include <optional>
#include <utility>

#include "common/async/awaitable.h"
#include "common/rpc/waiter.h"

namespace dragonfly::rpc {

/// The reading half of a stream, the same on both sides of a call. Runs on the call's executor.
/// One message is in flight: the next read starts when the last message was taken, which is what
/// holds back a peer that is too fast.
template <class Message>
class ReadSide {
 public:
  explicit ReadSide(asio::any_io_executor executor) : waiter_(std::move(executor)) {}
  virtual ~ReadSide() = default;

  /// The next message; nullopt when there will be none. A cancelled Read() loses nothing: the
  /// message it waited for is returned by the next one. One coroutine at a time.
  Awaitable<std::optional<Message>> Read() {
    if (!reading_ && !ready_ && !ended_) {
      reading_ = true;
      StartReading(incoming_);
    }
    while (reading_) co_await waiter_.Wait();
    std::optional<Message> result;
    if (ready_) {
      ready_ = false;
      result.emplace(std::move(incoming_));
    }
    co_return result;
  }

 protected:
  virtual void StartReading(Message& into) = 0;

  /// Call it last, it resumes the reader.
  void ReadDone(bool ok) {
    reading_ = false;
    (ok ? ready_ : ended_) = true;
    waiter_.Wake();
  }

 private:
  Waiter waiter_;
  Message incoming_;
  bool reading_ = false;
  bool ready_ = false;
  bool ended_ = false;
};

/// The writing half. Runs on the call's executor.
template <class Message>
class WriteSide {
 public:
  explicit WriteSide(asio::any_io_executor executor) : waiter_(std::move(executor)) {}
  virtual ~WriteSide() = default;

  /// Returns true when gRPC took the message (its flow control is the back-pressure), false when the
  /// other side is gone. Also after a cancelled Write() the message may have been sent. One coroutine
  /// at a time.
  Awaitable<bool> Write(Message message) {
    while (writing_) co_await waiter_.Wait();
    if (broken_) co_return false;
    outgoing_ = std::move(message);
    writing_ = true;
    StartWriting(outgoing_);
    while (writing_) co_await waiter_.Wait();
    co_return !broken_;
  }

 protected:
  virtual void StartWriting(const Message& message) = 0;

  /// Returns when no write is in flight.
  Awaitable<> WaitWritten() {
    while (writing_) co_await waiter_.Wait();
  }
  [[nodiscard]] bool writing() const { return writing_; }
  /// No further write is started.
  void CloseWriting() { broken_ = true; }

  /// Call it last, it resumes the writer.
  void WriteDone(bool ok) {
    writing_ = false;
    if (!ok) broken_ = true;
    waiter_.Wake();
  }

 private:
  Waiter waiter_;
  Message outgoing_;
  bool writing_ = false;
  bool broken_ = false;
};

}  // namespace dragonfly::rpc
