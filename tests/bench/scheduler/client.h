#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "scheduler.grpc.pb.h"
#include "tests/bench/scheduler/messages.h"

namespace dragonfly::bench {

using SteadyClock = std::chrono::steady_clock;
using Stub = pb::scheduler::Scheduler::Stub;

/// Whoever waits for an operation.
class Waiting {
 public:
  virtual ~Waiting() = default;
  virtual void Done(bool ok) = 0;
};

/// Connections to one server and the thread that works on all of them: the caller's, in Run().
class Client {
 public:
  Client(const std::string& target, std::size_t connections);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// One connection after the other.
  [[nodiscard]] Stub& Next() { return *stubs_[next_++ % stubs_.size()]; }
  [[nodiscard]] grpc::CompletionQueue& queue() { return queue_; }

  /// Handles what happens until `done()`, asked after every event and every few milliseconds.
  void Run(const std::function<bool()>& done);

  /// Announces hosts with these numbers; ends the process when one is refused.
  void AnnounceHosts(std::size_t first, std::size_t count);
  void Announce(pb::common::Host host);

 private:
  std::vector<std::unique_ptr<Stub>> stubs_;
  std::size_t next_ = 0;
  grpc::CompletionQueue queue_;
};

/// One AnnouncePeer conversation, in the order and shape of a dfdaemon: nothing is sent before the
/// answer to the registration is there, and every message is written by itself.
class Conversation {
 public:
  struct Plan {
    bool from_source = false;
    std::uint32_t pieces = 4;
    /// Piece reports that leave together.
    std::uint32_t burst = 1;
    /// Waits between the start and the first piece for Release().
    bool hold = false;
    /// Reports the pieces over and over until EndSoon().
    bool endless = false;
  };
  struct Hooks {
    std::function<void(Conversation&)> answered;
    std::function<void(Conversation&)> ended;  ///< May begin the next one.
  };

  Conversation(Client& client, Hooks hooks) : client_(client), hooks_(std::move(hooks)) {}
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  void Begin(std::size_t host, std::uint64_t task, std::uint64_t peer, const Plan& plan);
  void Release();
  void EndSoon() { plan_.endless = false; }

  [[nodiscard]] bool held() const { return held_; }
  /// Of this conversation, from its begin to its answer.
  [[nodiscard]] SteadyClock::duration latency() const { return answered_ - begun_; }
  [[nodiscard]] SteadyClock::time_point begun() const { return begun_; }
  [[nodiscard]] std::size_t parents() const { return parents_.size(); }
  [[nodiscard]] const grpc::Status& status() const { return status_; }
  [[nodiscard]] std::uint64_t reports() const { return reports_; }

 private:
  enum class Step { kRegister, kStart, kPieces, kFinish, kEnd };

  struct Operation final : Waiting {
    Operation(Conversation& owner, void (Conversation::*then)(bool)) : owner(owner), then(then) {}
    void Done(bool ok) override {
      pending = false;
      (owner.*then)(ok);
    }
    Conversation& owner;
    void (Conversation::*const then)(bool);
    bool pending = false;
  };

  void OnWritten(bool ok);
  void OnAnswer(bool ok);
  void OnFinished(bool ok);
  void Advance();
  void Write(grpc::WriteOptions options = {});
  void Finish();
  void EndIfDone();

  Client& client_;
  const Hooks hooks_;
  Plan plan_;
  Step step_ = Step::kEnd;
  bool held_ = false;
  std::uint32_t piece_ = 0;
  std::uint64_t reports_ = 0;
  SteadyClock::time_point begun_;
  SteadyClock::time_point answered_;
  std::vector<std::string> parents_;

  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<pb::scheduler::AnnouncePeerRequest,
                                                pb::scheduler::AnnouncePeerResponse>>
      stream_;
  pb::scheduler::AnnouncePeerRequest request_;
  pb::scheduler::AnnouncePeerResponse response_;
  grpc::Status status_;
  Operation written_{*this, &Conversation::OnWritten};
  Operation answer_{*this, &Conversation::OnAnswer};
  Operation finished_{*this, &Conversation::OnFinished};
};

[[noreturn]] void Die(const std::string& why);

}  // namespace dragonfly::bench
