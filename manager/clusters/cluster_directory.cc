#include "manager/clusters/cluster_directory.h"

#include <utility>

#include "common/base/status_macros.h"

namespace dragonfly::manager {
namespace {

std::string_view NameOf(ClusterDirectory::Kind kind) {
  return kind == ClusterDirectory::Kind::kScheduler ? "scheduler" : "seed peer";
}

}  // namespace

/// Makes the snapshot old at the end of a write, also when the caller was cancelled meanwhile: the
/// write happened all the same.
class ClusterDirectory::Write {
 public:
  explicit Write(ClusterDirectory& directory) : directory_(directory) {}
  ~Write() {
    if (!visible_) return;
    ++directory_.writes_;
    directory_.Invalidate();
  }
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;
  void ChangedNothing() { visible_ = false; }

 private:
  ClusterDirectory& directory_;
  bool visible_ = true;
};

ClusterDirectory::ClusterDirectory(asio::any_io_executor executor, ClusterDirectoryOptions options,
                                   Database& database, BlockingPool& db, const Clock& clock,
                                   Logger log)
    : options_(options),
      database_(database),
      db_(db),
      clock_(clock),
      log_(std::move(log)),
      group_(std::move(executor)),
      loads_(group_) {}

bool ClusterDirectory::fresh() const {
  return loaded_at_.has_value() && clock_.Now() - *loaded_at_ < options_.snapshot_ttl;
}

Awaitable<absl::StatusOr<ClusterDirectory::Shared>> ClusterDirectory::Snapshot() {
  if (fresh()) co_return snapshot_;
  // By the number of writes: who asks after a write must not join a load that began before it.
  auto start = [this] { return Load(); };
  auto loaded = co_await loads_.Do(writes_, start);
  if (loaded.ok()) co_return loaded;
  if (snapshot_ == nullptr) co_return loaded.status();
  log_.Warn("database does not answer, serving what is known", {{"error", loaded.status()}});
  // Not every request has to wait for the same failure.
  loaded_at_ = clock_.Now();
  co_return snapshot_;
}

Awaitable<absl::StatusOr<ClusterDirectory::Shared>> ClusterDirectory::Load() {
  const std::uint64_t writes = writes_;
  auto load = [this] { return database_.LoadTopology(); };
  absl::StatusOr<Topology> topology = co_await db_.Run(load);
  CO_RETURN_IF_ERROR(topology.status());
  auto snapshot = std::make_shared<const ClusterSnapshot>(*std::move(topology));
  if (snapshot_ == nullptr || snapshot_->problems() != snapshot->problems()) {
    for (const std::string& problem : snapshot->problems()) {
      log_.Warn("part of a cluster's scopes is ignored", {{"reason", problem}});
    }
  }
  if (writes == writes_) {
    snapshot_ = snapshot;
    loaded_at_ = clock_.Now();
  }
  co_return snapshot;
}

Awaitable<absl::StatusOr<Scheduler>> ClusterDirectory::Register(
    SchedulerRegistration registration) {
  const Write written(*this);
  auto write = [this, &registration] {
    return database_.UpsertScheduler(registration, clock_.WallNow());
  };
  co_return co_await db_.Run(write);
}

Awaitable<absl::StatusOr<SeedPeer>> ClusterDirectory::Register(SeedPeerRegistration registration) {
  const Write written(*this);
  auto write = [this, &registration] {
    return database_.UpsertSeedPeer(registration, clock_.WallNow());
  };
  co_return co_await db_.Run(write);
}

Awaitable<absl::Status> ClusterDirectory::DeleteSeedPeer(MemberKey key) {
  const Write written(*this);
  auto write = [this, &key] { return database_.DeleteSeedPeer(key); };
  co_return co_await db_.Run(write);
}

Awaitable<absl::Status> ClusterDirectory::KeepAlive(Kind kind, MemberKey key) {
  Write written(*this);
  auto write = [this, kind, &key] {
    return kind == Kind::kScheduler ? database_.KeepSchedulerAlive(key, clock_.WallNow())
                                    : database_.KeepSeedPeerAlive(key, clock_.WallNow());
  };
  const absl::StatusOr<Change> change = co_await db_.Run(write);
  CO_RETURN_IF_ERROR(change.status());
  if (*change == Change::kNone) {
    written.ChangedNothing();
  } else {
    log_.Info("member is active", {{"source_type", NameOf(kind)},
                                   {"hostname", key.host_name},
                                   {"ip", key.ip},
                                   {"cluster_id", key.cluster_id}});
  }
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ClusterDirectory::Deactivate(Kind kind, MemberKey key) {
  Write written(*this);
  auto write = [this, kind, &key] {
    return kind == Kind::kScheduler ? database_.DeactivateScheduler(key, clock_.WallNow())
                                    : database_.DeactivateSeedPeer(key, clock_.WallNow());
  };
  const absl::StatusOr<Change> change = co_await db_.Run(write);
  CO_RETURN_IF_ERROR(change.status());
  if (*change == Change::kNone) {
    written.ChangedNothing();
  } else {
    log_.Warn("member is inactive", {{"source_type", NameOf(kind)},
                                     {"hostname", key.host_name},
                                     {"ip", key.ip},
                                     {"cluster_id", key.cluster_id}});
  }
  co_return absl::OkStatus();
}

}  // namespace dragonfly::manager
