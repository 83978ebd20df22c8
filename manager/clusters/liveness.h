#pragma once

#include <chrono>
#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "common/log/logger.h"
#include "manager/clusters/cluster_directory.h"

namespace dragonfly::manager {

struct LivenessOptions {
  Duration sweep_interval = std::chrono::seconds(5);
};

/// Who is alive: members with a keepalive stream are active, and inactive when the last one ended.
///
/// A daemon that reconnects may open its new stream before the end of the old one is seen, here or
/// at another manager: streams are counted, and every message makes its sender active again. Runs
/// on: the directory's executor.
class Liveness {
 public:
  using Kind = ClusterDirectory::Kind;

  /// One keepalive stream. Destroy it when the stream ends.
  class Session {
   public:
    Session(Liveness& owner, Kind kind, MemberKey key);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// A message came. NotFound "record not found": register first.
    Awaitable<absl::Status> Beat() { return owner_.directory_.KeepAlive(kind_, key_); }

   private:
    Liveness& owner_;
    const Kind kind_;
    const MemberKey key_;
  };

  Liveness(asio::any_io_executor executor, LivenessOptions options, ClusterDirectory& directory,
           const Clock& clock, Logger log);

  /// Sweeps in the background from now on.
  void Start();
  /// Marks silent schedulers inactive, once.
  Awaitable<absl::Status> Sweep();

  /// From now on, the end of a stream says nothing about its sender: it is us who are leaving, and
  /// a cluster must not lose its schedulers because its manager restarts.
  void Leave() { leaving_ = true; }
  Awaitable<> Stop() { return group_.Stop(); }

  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }

 private:
  using Member = std::pair<Kind, MemberKey>;

  Awaitable<> Run();
  Awaitable<> Deactivate(Member member);

  const LivenessOptions options_;
  ClusterDirectory& directory_;
  const Clock& clock_;
  const Logger log_;

  bool leaving_ = false;
  /// Open streams of each member; never 0.
  absl::flat_hash_map<Member, std::size_t> sessions_;

  TaskGroup group_;
};

}  // namespace dragonfly::manager
