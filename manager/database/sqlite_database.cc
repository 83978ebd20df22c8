#include "manager/database/sqlite_database.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "manager/database/schema.h"
#include "manager/database/sql_time.h"

namespace dragonfly::manager {
namespace {

constexpr std::string_view kSelectScheduler =
    "SELECT id, host_name, idc, location, ip, port, state, config, features, last_keep_alive_at, "
    "scheduler_cluster_id FROM scheduler WHERE is_del = 0 ";
constexpr std::string_view kSelectSeedPeer =
    "SELECT id, host_name, type, idc, location, ip, port, download_port, state, "
    "seed_peer_cluster_id FROM seed_peer WHERE is_del = 0 ";

std::uint64_t Id(const SqliteStatement& row, int column) {
  return static_cast<std::uint64_t>(row.Int(column));
}

State StateOf(const SqliteStatement& row, int column) {
  return row.Text(column) == "active" ? State::kActive : State::kInactive;
}

/// "null" for NULL, as JSON has it.
std::string Json(const SqliteStatement& row, int column) {
  std::string text = row.Text(column);
  return text.empty() ? "null" : text;
}

Scheduler ReadScheduler(const SqliteStatement& row) {
  Scheduler result;
  result.id = Id(row, 0);
  result.host_name = row.Text(1);
  result.idc = row.Text(2);
  result.location = row.Text(3);
  result.ip = row.Text(4);
  result.port = static_cast<std::int32_t>(row.Int(5));
  result.state = StateOf(row, 6);
  result.config_json = Json(row, 7);
  result.features_json = Json(row, 8);
  result.last_keep_alive_at = FromSqlTime(row.Text(9));
  result.scheduler_cluster_id = Id(row, 10);
  return result;
}

SeedPeer ReadSeedPeer(const SqliteStatement& row) {
  SeedPeer result;
  result.id = Id(row, 0);
  result.host_name = row.Text(1);
  result.type = row.Text(2);
  result.idc = row.Text(3);
  result.location = row.Text(4);
  result.ip = row.Text(5);
  result.port = static_cast<std::int32_t>(row.Int(6));
  result.download_port = static_cast<std::int32_t>(row.Int(7));
  result.state = StateOf(row, 8);
  result.seed_peer_cluster_id = Id(row, 9);
  return result;
}

SchedulerCluster ReadSchedulerCluster(const SqliteStatement& row) {
  SchedulerCluster result;
  result.id = Id(row, 0);
  result.name = row.Text(1);
  result.bio = row.Text(2);
  result.config_json = Json(row, 3);
  result.client_config_json = Json(row, 4);
  result.seed_client_config_json = Json(row, 5);
  result.scopes_json = Json(row, 6);
  result.is_default = row.Int(7) != 0;
  return result;
}

SeedPeerCluster ReadSeedPeerCluster(const SqliteStatement& row) {
  return {Id(row, 0), row.Text(1), row.Text(2), Json(row, 3)};
}

ClusterLink ReadLink(const SqliteStatement& row) { return {Id(row, 0), Id(row, 1)}; }

Application ReadApplication(const SqliteStatement& row) {
  return {Id(row, 0), row.Text(1), row.Text(2), row.Text(3), Json(row, 4)};
}

template <class Row>
absl::StatusOr<std::vector<Row>> ReadAll(SqliteDb& db, std::string_view sql,
                                         Row (*read)(const SqliteStatement&)) {
  std::vector<Row> rows;
  ASSIGN_OR_RETURN(SqliteStatement statement, db.Prepare(sql));
  while (true) {
    ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return rows;
    rows.push_back(read(statement));
  }
}

template <class Row>
absl::StatusOr<Row> ReadMember(SqliteDb& db, std::string_view select, std::string_view cluster,
                               const MemberKey& key, Row (*read)(const SqliteStatement&)) {
  const std::string sql = StrCat(select, "AND host_name = ?1 AND ip = ?2 AND ", cluster, " = ?3");
  ASSIGN_OR_RETURN(SqliteStatement statement, db.Prepare(sql));
  statement.Bind(1, key.host_name).Bind(2, key.ip);
  statement.Bind(3, static_cast<std::int64_t>(key.cluster_id));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return absl::NotFoundError("record not found");
  return read(statement);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("no path for the database");
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder)) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
      return absl::PermissionDeniedError(
          StrCat("create folder ", folder.string(), ": ", error.message()));
    }
    // The file holds password hashes and keys.
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  auto db = SqliteDb::Open(path);
  if (!db.ok()) return Annotate(db.status(), StrCat("open database ", path));
  std::error_code ignored;
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, ignored);
  // In WAL mode a commit waits for no disk; a crash of the machine may lose the last moments, never
  // the consistency. Registrations come again by themselves.
  const absl::Status prepared =
      db->Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
  if (!prepared.ok()) return Annotate(prepared, StrCat("open database ", path));
  auto result = std::unique_ptr<SqliteDatabase>(new SqliteDatabase(*std::move(db)));
  {
    const MutexLock lock(result->mutex_);
    const absl::Status migrated = result->Migrate();
    if (!migrated.ok()) return Annotate(migrated, StrCat("migrate database ", path));
  }
  return result;
}

absl::Status SqliteDatabase::Migrate() {
  RETURN_IF_ERROR(
      db_.Execute("CREATE TABLE IF NOT EXISTS schema_migration (version INTEGER PRIMARY KEY, "
                  "applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')))"));
  const auto migrations = SqliteMigrations();
  // Begun before reading the version: two managers that start at once must not both migrate.
  ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(db_));
  ASSIGN_OR_RETURN(const std::int64_t version,
                   db_.QueryInt("SELECT COALESCE(MAX(version), 0) FROM schema_migration"));
  if (version > static_cast<std::int64_t>(migrations.size())) {
    return absl::FailedPreconditionError(StrCat("the database has schema version ", version,
                                                ", this build knows ", migrations.size(),
                                                ": it was opened by a newer build"));
  }
  for (auto next = static_cast<std::size_t>(version); next < migrations.size(); ++next) {
    const absl::Status status = db_.Execute(migrations[next]);
    if (!status.ok()) return Annotate(status, StrCat("version ", next + 1));
    ASSIGN_OR_RETURN(SqliteStatement insert,
                     db_.Prepare("INSERT INTO schema_migration (version) VALUES (?1)"));
    RETURN_IF_ERROR(insert.Bind(1, static_cast<std::int64_t>(next + 1)).Run());
  }
  return transaction.Commit();
}

absl::StatusOr<std::int64_t> SqliteDatabase::SchemaVersion() {
  const MutexLock lock(mutex_);
  return db_.QueryInt("SELECT COALESCE(MAX(version), 0) FROM schema_migration");
}

absl::StatusOr<Topology> SqliteDatabase::LoadTopology() {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::BeginRead(db_));
  Topology result;
  ASSIGN_OR_RETURN(
      result.scheduler_clusters,
      ReadAll(db_,
              "SELECT id, name, bio, config, client_config, seed_client_config, scopes, is_default "
              "FROM scheduler_cluster WHERE is_del = 0 ORDER BY id",
              ReadSchedulerCluster));
  ASSIGN_OR_RETURN(result.seed_peer_clusters,
                   ReadAll(db_,
                           "SELECT id, name, bio, config FROM seed_peer_cluster WHERE is_del = 0 "
                           "ORDER BY id",
                           ReadSeedPeerCluster));
  ASSIGN_OR_RETURN(result.links, ReadAll(db_,
                                         "SELECT scheduler_cluster_id, seed_peer_cluster_id FROM "
                                         "seed_peer_cluster_scheduler_cluster ORDER BY 1, 2",
                                         ReadLink));
  ASSIGN_OR_RETURN(result.schedulers,
                   ReadAll(db_, StrCat(kSelectScheduler, "ORDER BY id"), ReadScheduler));
  ASSIGN_OR_RETURN(result.seed_peers,
                   ReadAll(db_, StrCat(kSelectSeedPeer, "ORDER BY id"), ReadSeedPeer));
  ASSIGN_OR_RETURN(result.applications,
                   ReadAll(db_,
                           "SELECT id, name, url, bio, priority FROM application WHERE is_del = 0 "
                           "ORDER BY id",
                           ReadApplication));
  RETURN_IF_ERROR(transaction.Commit());
  return result;
}

absl::StatusOr<Scheduler> SqliteDatabase::UpsertScheduler(const SchedulerRegistration& registration,
                                                          WallTime now) {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(
      SqliteStatement statement,
      db_.Prepare(
          "INSERT INTO scheduler (created_at, updated_at, is_del, host_name, ip, "
          "scheduler_cluster_id, port, idc, location, features, config, state, last_keep_alive_at) "
          "VALUES (?1, ?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'inactive', ?1) "
          "ON CONFLICT (host_name, ip, scheduler_cluster_id) DO UPDATE SET updated_at = ?1, "
          "port = ?5, idc = CASE ?6 WHEN '' THEN idc ELSE ?6 END, "
          "location = CASE ?7 WHEN '' THEN location ELSE ?7 END, features = ?8, "
          "config = CASE ?9 WHEN 'null' THEN config ELSE ?9 END, last_keep_alive_at = ?1"));
  const MemberKey& key = registration.key;
  const std::string time = ToSqlTime(now);
  statement.Bind(1, time).Bind(2, key.host_name).Bind(3, key.ip);
  statement.Bind(4, static_cast<std::int64_t>(key.cluster_id)).Bind(5, registration.port);
  statement.Bind(6, registration.idc).Bind(7, registration.location);
  statement.Bind(8, registration.features_json).Bind(9, registration.config_json);
  RETURN_IF_ERROR(statement.Run());
  return ReadMember(db_, kSelectScheduler, "scheduler_cluster_id", key, ReadScheduler);
}

absl::StatusOr<SeedPeer> SqliteDatabase::UpsertSeedPeer(const SeedPeerRegistration& registration,
                                                        WallTime now) {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(
      SqliteStatement statement,
      db_.Prepare("INSERT INTO seed_peer (created_at, updated_at, is_del, host_name, ip, "
                  "seed_peer_cluster_id, port, download_port, type, idc, location, state) "
                  "VALUES (?1, ?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'active') "
                  "ON CONFLICT (host_name, ip, seed_peer_cluster_id) DO UPDATE SET "
                  "updated_at = ?1, port = ?5, download_port = ?6, type = ?7, "
                  "idc = CASE ?8 WHEN '' THEN idc ELSE ?8 END, "
                  "location = CASE ?9 WHEN '' THEN location ELSE ?9 END, state = 'active'"));
  const MemberKey& key = registration.key;
  const std::string time = ToSqlTime(now);
  statement.Bind(1, time).Bind(2, key.host_name).Bind(3, key.ip);
  statement.Bind(4, static_cast<std::int64_t>(key.cluster_id)).Bind(5, registration.port);
  statement.Bind(6, registration.download_port).Bind(7, registration.type);
  statement.Bind(8, registration.idc).Bind(9, registration.location);
  RETURN_IF_ERROR(statement.Run());
  return ReadMember(db_, kSelectSeedPeer, "seed_peer_cluster_id", key, ReadSeedPeer);
}

absl::StatusOr<std::int64_t> SqliteDatabase::UpdateMember(std::string_view sql,
                                                          const MemberKey& key, WallTime now) {
  ASSIGN_OR_RETURN(SqliteStatement statement, db_.Prepare(sql));
  const std::string time = ToSqlTime(now);
  statement.Bind(1, time).Bind(2, key.host_name).Bind(3, key.ip);
  RETURN_IF_ERROR(statement.Bind(4, static_cast<std::int64_t>(key.cluster_id)).Run());
  return db_.Changes();
}

absl::StatusOr<Change> SqliteDatabase::KeepAlive(std::string_view activate, std::string_view touch,
                                                 const MemberKey& key, WallTime now) {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(db_));
  ASSIGN_OR_RETURN(const std::int64_t activated, UpdateMember(activate, key, now));
  ASSIGN_OR_RETURN(const std::int64_t touched, UpdateMember(touch, key, now));
  if (touched == 0) return absl::NotFoundError("record not found");
  RETURN_IF_ERROR(transaction.Commit());
  return activated > 0 ? Change::kChanged : Change::kNone;
}

absl::StatusOr<Change> SqliteDatabase::KeepSchedulerAlive(const MemberKey& key, WallTime now) {
  return KeepAlive(
      "UPDATE scheduler SET state = 'active', updated_at = ?1 WHERE host_name = ?2 AND "
      "(?3 = '' OR ip = ?3) AND scheduler_cluster_id = ?4 AND state <> 'active'",
      "UPDATE scheduler SET last_keep_alive_at = ?1 WHERE host_name = ?2 AND "
      "(?3 = '' OR ip = ?3) AND scheduler_cluster_id = ?4",
      key, now);
}

absl::StatusOr<Change> SqliteDatabase::KeepSeedPeerAlive(const MemberKey& key, WallTime now) {
  return KeepAlive(
      "UPDATE seed_peer SET state = 'active', updated_at = ?1 WHERE host_name = ?2 AND "
      "(?3 = '' OR ip = ?3) AND seed_peer_cluster_id = ?4 AND state <> 'active'",
      "UPDATE seed_peer SET updated_at = ?1 WHERE host_name = ?2 AND "
      "(?3 = '' OR ip = ?3) AND seed_peer_cluster_id = ?4",
      key, now);
}

absl::StatusOr<Change> SqliteDatabase::DeactivateScheduler(const MemberKey& key, WallTime now) {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(
      const std::int64_t changed,
      UpdateMember("UPDATE scheduler SET state = 'inactive', updated_at = ?1 WHERE host_name = ?2 "
                   "AND (?3 = '' OR ip = ?3) AND scheduler_cluster_id = ?4 AND state <> 'inactive'",
                   key, now));
  return changed > 0 ? Change::kChanged : Change::kNone;
}

absl::StatusOr<Change> SqliteDatabase::DeactivateSeedPeer(const MemberKey& key, WallTime now) {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(
      const std::int64_t changed,
      UpdateMember("UPDATE seed_peer SET state = 'inactive', updated_at = ?1 WHERE host_name = ?2 "
                   "AND (?3 = '' OR ip = ?3) AND seed_peer_cluster_id = ?4 AND state <> 'inactive'",
                   key, now));
  return changed > 0 ? Change::kChanged : Change::kNone;
}

absl::Status SqliteDatabase::DeleteSeedPeer(const MemberKey& key) {
  const MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(SqliteStatement statement,
                   db_.Prepare("DELETE FROM seed_peer WHERE host_name = ?1 AND "
                               "(?2 = '' OR ip = ?2) AND seed_peer_cluster_id = ?3"));
  statement.Bind(1, key.host_name).Bind(2, key.ip);
  return statement.Bind(3, static_cast<std::int64_t>(key.cluster_id)).Run();
}

}  // namespace dragonfly::manager
