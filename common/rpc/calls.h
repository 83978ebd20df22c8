#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <grpcpp/server_context.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"

namespace dragonfly::rpc {

class Calls;

/// Told about every call, for metrics. Thread-safe, must not block.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void CallStarted(std::string_view method) = 0;
  virtual void CallEnded(std::string_view method, absl::StatusCode code, Duration duration) = 0;
};

/// One call as its handler sees it. Thread-safe; the context-backed values may be asked for until
/// the handler has returned (callback form: until OnClosed returned).
class ServerCall : public std::enable_shared_from_this<ServerCall> {
 public:
  /// `method` must be a literal: "/manager.v2.Manager/GetScheduler".
  ServerCall(Calls& calls, std::string_view method, grpc::CallbackServerContext* context);
  virtual ~ServerCall();
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;

  [[nodiscard]] std::string_view method() const { return method_; }
  /// As gRPC writes it: "ipv4:10.0.0.1:5000", "ipv6:%5B::1%5D:5000", "unix:".
  [[nodiscard]] std::string peer() const { return context_->peer(); }
  /// Only the address: "10.0.0.1", "::1"; empty over a unix socket.
  [[nodiscard]] std::string peer_ip() const;
  /// First value of a header the client sent; empty when there is none.
  [[nodiscard]] std::string Metadata(std::string_view key) const;

  /// For calls that only end when somebody leaves: cancelled as soon as the server drains, so that
  /// the grace is for those that can finish. Thread-safe.
  void EndWhenDraining();

  /// Keeps something until the call has ended in gRPC too, which holds an answer until the client
  /// took it. On the handler's executor, before the handler has returned.
  void KeepUntilEnded(std::shared_ptr<void> what) { kept_ = std::move(what); }

  /// Ends the call soon with `reason`, unless it ends by itself first.
  virtual void Cancel(absl::Status reason) = 0;

 protected:
  [[nodiscard]] Calls& calls() const { return calls_; }
  [[nodiscard]] grpc::CallbackServerContext* context() const { return context_; }
  /// Once, before anything else can see the call: it counts as open until it is destroyed.
  void Register();
  void SetCode(absl::StatusCode code) { code_ = code; }

 private:
  friend class Calls;

  Calls& calls_;
  const std::string_view method_;
  grpc::CallbackServerContext* const context_;
  const SteadyTime started_;
  absl::StatusCode code_ = absl::StatusCode::kUnknown;
  std::optional<std::list<std::weak_ptr<ServerCall>>::iterator> position_;
  std::atomic<bool> endless_{false};
  std::shared_ptr<void> kept_;
};

/// The calls of one server: where their handlers run, how many may come, and the way to end them.
/// Outlives the Server and the services that use it. Thread-safe.
class Calls {
 public:
  struct Options {
    /// Gives the serial executor for each new call's handler. Required.
    std::function<asio::any_io_executor()> executor;
    /// Token bucket over all methods (health and reflection are not ours, so exempt). 0: no limit.
    double requests_per_second = 0;
    double burst = 0;
    /// A handler threw. The caller of the method sees Internal.
    std::function<void(std::string_view method, std::string_view what)> on_exception;
    CallObserver* observer = nullptr;
  };

  explicit Calls(Options options);
  /// Checks in debug builds that no call is open.
  ~Calls();
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  /// Calls that have not ended, in gRPC or in their handler.
  [[nodiscard]] std::size_t open() const;
  /// From now on new calls get Unavailable; endless ones are cancelled.
  void Close();
  /// Cancels what is open, with Unavailable.
  void CancelAll();
  /// Returns true when no call is open, false when `deadline` passed first. Any executor.
  Awaitable<bool> WaitEmpty(SteadyTime deadline = SteadyTime::max());

  /// For the Serve functions: ResourceExhausted over the limit, Unavailable after Close().
  absl::Status Admit(std::string_view method);
  [[nodiscard]] asio::any_io_executor NextExecutor() const { return options_.executor(); }
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  friend class ServerCall;
  using List = std::list<std::weak_ptr<ServerCall>>;

  enum class Which { kAll, kEndless };
  void CancelOpen(Which which);
  List::iterator Add(std::weak_ptr<ServerCall> call);
  void Remove(List::iterator position);
  [[nodiscard]] bool closed() const;
  bool TakeToken() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  mutable absl::Mutex mutex_;
  List open_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<asio::steady_timer>> waiters_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  double tokens_ ABSL_GUARDED_BY(mutex_);
  SteadyTime refilled_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::rpc
