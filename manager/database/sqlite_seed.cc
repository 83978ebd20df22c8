// The rows of a first start. Go manager/database/database.go and manager/permission/rbac, v2.4.0.

#include <array>

#include "common/base/status_macros.h"
#include "manager/database/sql_time.h"
#include "manager/database/sqlite_database.h"

namespace dragonfly::manager {
namespace {

constexpr std::string_view kGcConfig =
    R"({"audit":{"ttl":604800000000000},"job":{"ttl":21600000000000}})";
constexpr std::string_view kClusterConfig =
    R"({"candidate_parent_limit":3,"filter_parent_limit":15,"job_rate_limit":10})";
constexpr std::string_view kClientConfig = R"({"load_limit":200})";
constexpr std::string_view kSeedPeerConfig = R"({"load_limit":2000})";

// Groups of REST routes, in the order in which the original meets them; ids of rules follow it.
constexpr std::array<std::string_view, 17> kPermissionGroups = {"scheduler-clusters",
                                                                "scheduler-features",
                                                                "schedulers",
                                                                "seed-peer-clusters",
                                                                "seed-peers",
                                                                "personal-access-tokens",
                                                                "persistent-cache-tasks",
                                                                "permissions",
                                                                "peers",
                                                                "users",
                                                                "clusters",
                                                                "configs",
                                                                "applications",
                                                                "audits",
                                                                "roles",
                                                                "oauth",
                                                                "jobs"};

absl::Status AddRule(SqliteDb& db, std::string_view type, std::string_view v0, std::string_view v1,
                     std::string_view v2) {
  ASSIGN_OR_RETURN(
      SqliteStatement insert,
      db.Prepare("INSERT INTO casbin_rule (ptype, v0, v1, v2, v3, v4, v5) "
                 "SELECT ?1, ?2, ?3, ?4, '', '', '' WHERE NOT EXISTS (SELECT 1 FROM casbin_rule "
                 "WHERE ptype = ?1 AND v0 = ?2 AND v1 = ?3 AND v2 = ?4)"));
  return insert.Bind(1, type).Bind(2, v0).Bind(3, v1).Bind(4, v2).Run();
}

absl::Status AddRules(SqliteDb& db) {
  for (const std::string_view group : kPermissionGroups) {
    RETURN_IF_ERROR(AddRule(db, "p", "root", group, "*"));
    RETURN_IF_ERROR(AddRule(db, "p", "guest", group, "read"));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> IsEmpty(SqliteDb& db, std::string_view count) {
  ASSIGN_OR_RETURN(const std::int64_t rows, db.QueryInt(count));
  return rows == 0;
}

absl::Status AddClusters(SqliteDb& db, std::string_view time) {
  ASSIGN_OR_RETURN(const bool no_schedulers, IsEmpty(db, "SELECT COUNT(*) FROM scheduler_cluster"));
  if (no_schedulers) {
    ASSIGN_OR_RETURN(
        SqliteStatement insert,
        db.Prepare("INSERT INTO scheduler_cluster (id, created_at, updated_at, is_del, name, bio, "
                   "config, client_config, seed_client_config, scopes, is_default) "
                   "VALUES (1, ?1, ?1, 0, 'cluster-1', '', ?2, ?3, '{}', '{}', 1)"));
    RETURN_IF_ERROR(insert.Bind(1, time).Bind(2, kClusterConfig).Bind(3, kClientConfig).Run());
  }
  ASSIGN_OR_RETURN(const bool no_seeds, IsEmpty(db, "SELECT COUNT(*) FROM seed_peer_cluster"));
  if (!no_seeds) return absl::OkStatus();
  ASSIGN_OR_RETURN(SqliteStatement insert,
                   db.Prepare("INSERT INTO seed_peer_cluster (id, created_at, updated_at, is_del, "
                              "name, bio, config) VALUES (1, ?1, ?1, 0, 'cluster-1', '', ?2)"));
  RETURN_IF_ERROR(insert.Bind(1, time).Bind(2, kSeedPeerConfig).Run());
  return db.Execute(
      "INSERT INTO seed_peer_cluster_scheduler_cluster (scheduler_cluster_id, "
      "seed_peer_cluster_id) SELECT MIN(id), 1 FROM scheduler_cluster");
}

absl::Status AddGcConfig(SqliteDb& db, std::string_view time) {
  ASSIGN_OR_RETURN(SqliteStatement insert,
                   db.Prepare("INSERT INTO config (created_at, updated_at, is_del, name, value, "
                              "bio, user_id) VALUES (?1, ?1, 0, 'gc', ?2, '', 0) "
                              "ON CONFLICT (name) DO NOTHING"));
  return insert.Bind(1, time).Bind(2, kGcConfig).Run();
}

absl::Status AddRoot(SqliteDb& db, std::string_view password_hash, std::string_view time) {
  ASSIGN_OR_RETURN(
      SqliteStatement insert,
      db.Prepare("INSERT INTO user (created_at, updated_at, is_del, email, name, "
                 "encrypted_password, avatar, phone, private_token, state, location, bio) "
                 "VALUES (?1, ?1, 0, '', 'root', ?2, '', '', '', 'enable', '', '')"));
  RETURN_IF_ERROR(insert.Bind(1, time).Bind(2, password_hash).Run());
  return AddRule(db, "g", std::to_string(db.LastInsertId()), "root", "");
}

absl::Status AddJwtKey(SqliteDb& db, std::string_view key) {
  ASSIGN_OR_RETURN(SqliteStatement insert,
                   db.Prepare("INSERT INTO secret (name, value) VALUES ('jwt', ?1) "
                              "ON CONFLICT (name) DO NOTHING"));
  return insert.Bind(1, key).Run();
}

}  // namespace

absl::StatusOr<bool> SqliteDatabase::NeedsRootUser() {
  const MutexLock lock(mutex_);
  return IsEmpty(db_, "SELECT COUNT(*) FROM user");
}

absl::StatusOr<bool> SqliteDatabase::Seed(const SeedData& data, WallTime now) {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(db_));
  const std::string time = ToSqlTime(now);
  RETURN_IF_ERROR(AddClusters(db_, time));
  RETURN_IF_ERROR(db_.Execute(
      R"(UPDATE scheduler SET features = '["schedule","preheat"]' WHERE features IS NULL)"));
  RETURN_IF_ERROR(AddGcConfig(db_, time));
  RETURN_IF_ERROR(AddRules(db_));
  RETURN_IF_ERROR(AddJwtKey(db_, data.jwt_key));
  ASSIGN_OR_RETURN(const bool add_root, IsEmpty(db_, "SELECT COUNT(*) FROM user"));
  if (add_root) RETURN_IF_ERROR(AddRoot(db_, data.root_password_hash, time));
  RETURN_IF_ERROR(transaction.Commit());
  return add_root;
}

absl::StatusOr<std::string> SqliteDatabase::JwtKey() {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(SqliteStatement statement,
                   db_.Prepare("SELECT value FROM secret WHERE name = 'jwt'"));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return absl::NotFoundError("no key is stored");
  return statement.Text(0);
}

}  // namespace dragonfly::manager
