#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/mutex.h"
#include "common/sqlite/sqlite.h"
#include "manager/database/database.h"

namespace dragonfly::manager {

/// The embedded store: one file, one connection, one caller at a time. That is plenty, because
/// reads of daemons come from a snapshot that manager/clusters keeps.
class SqliteDatabase final : public Database {
 public:
  /// See OpenDatabase().
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(const std::string& path);

  absl::StatusOr<bool> Seed(const SeedData& data, WallTime now) override;
  absl::StatusOr<bool> NeedsRootUser() override;
  absl::StatusOr<std::string> JwtKey() override;
  absl::StatusOr<Topology> LoadTopology() override;
  absl::StatusOr<Scheduler> UpsertScheduler(const SchedulerRegistration& registration,
                                            WallTime now) override;
  absl::StatusOr<Change> KeepSchedulerAlive(const MemberKey& key, WallTime now) override;
  absl::StatusOr<Change> DeactivateScheduler(const MemberKey& key, WallTime now) override;
  absl::StatusOr<SeedPeer> UpsertSeedPeer(const SeedPeerRegistration& registration,
                                          WallTime now) override;
  absl::StatusOr<Change> KeepSeedPeerAlive(const MemberKey& key, WallTime now) override;
  absl::StatusOr<Change> DeactivateSeedPeer(const MemberKey& key, WallTime now) override;
  absl::Status DeleteSeedPeer(const MemberKey& key) override;
  absl::StatusOr<std::int64_t> SchemaVersion() override;

 private:
  explicit SqliteDatabase(SqliteDb db) : db_(std::move(db)) {}

  absl::Status Migrate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  /// Runs an UPDATE whose parameters are ?1 time, ?2 host name, ?3 address, ?4 cluster.
  absl::StatusOr<std::int64_t> UpdateMember(std::string_view sql, const MemberKey& key,
                                            WallTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  /// `activate` changes state and counts; `touch` stores the time. Both as for UpdateMember().
  absl::StatusOr<Change> KeepAlive(std::string_view activate, std::string_view touch,
                                   const MemberKey& key, WallTime now);

  Mutex mutex_;
  SqliteDb db_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::manager
