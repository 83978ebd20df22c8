#include <array>

#include "manager/database/schema.h"

namespace dragonfly::manager {
namespace {

constexpr char kTablesOfV240[] = R"sql(
CREATE TABLE application (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  name TEXT NOT NULL COLLATE NOCASE,
  url TEXT NOT NULL,
  bio TEXT,
  priority TEXT NOT NULL,
  user_id INTEGER
);
CREATE UNIQUE INDEX uk_application_name ON application (name);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  actor_type TEXT NOT NULL,
  actor_name TEXT NOT NULL,
  event_type TEXT NOT NULL,
  operation TEXT NOT NULL,
  operated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  state TEXT NOT NULL,
  path TEXT,
  status_code INTEGER,
  detail TEXT
);

CREATE TABLE casbin_rule (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ptype TEXT, v0 TEXT, v1 TEXT, v2 TEXT, v3 TEXT, v4 TEXT, v5 TEXT
);

CREATE TABLE config (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  name TEXT NOT NULL COLLATE NOCASE,
  value TEXT NOT NULL,
  bio TEXT,
  user_id INTEGER
);
CREATE UNIQUE INDEX uk_config_name ON config (name);

CREATE TABLE job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  task_id TEXT NOT NULL,
  bio TEXT,
  type TEXT,
  state TEXT NOT NULL DEFAULT 'PENDING',
  args TEXT NOT NULL,
  task_result TEXT,
  user_id INTEGER
);

CREATE TABLE job_scheduler_cluster (
  scheduler_cluster_id INTEGER NOT NULL,
  job_id INTEGER NOT NULL,
  PRIMARY KEY (scheduler_cluster_id, job_id)
);

CREATE TABLE job_seed_peer_cluster (
  seed_peer_cluster_id INTEGER NOT NULL,
  job_id INTEGER NOT NULL,
  PRIMARY KEY (seed_peer_cluster_id, job_id)
);

CREATE TABLE oauth (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  name TEXT NOT NULL COLLATE NOCASE,
  bio TEXT,
  client_id TEXT NOT NULL,
  client_secret TEXT NOT NULL,
  redirect_url TEXT
);
CREATE UNIQUE INDEX uk_oauth2_name ON oauth (name);
CREATE UNIQUE INDEX uk_oauth2_client_id ON oauth (client_id);

CREATE TABLE peer (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  host_name TEXT NOT NULL COLLATE NOCASE,
  type TEXT,
  idc TEXT,
  location TEXT,
  ip TEXT NOT NULL,
  port INTEGER NOT NULL,
  download_port INTEGER NOT NULL,
  proxy_port INTEGER NOT NULL,
  object_storage_port INTEGER,
  state TEXT DEFAULT 'inactive',
  os TEXT,
  platform TEXT,
  platform_family TEXT,
  platform_version TEXT,
  kernel_version TEXT,
  git_version TEXT,
  git_commit TEXT,
  build_platform TEXT,
  scheduler_cluster_id INTEGER NOT NULL
);
CREATE UNIQUE INDEX uk_peer ON peer (host_name, ip, scheduler_cluster_id);
CREATE INDEX idx_peer_type ON peer (type);
CREATE INDEX idx_peer_git_version ON peer (git_version);
CREATE INDEX idx_peer_git_commit ON peer (git_commit);

CREATE TABLE personal_access_token (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  name TEXT NOT NULL COLLATE NOCASE,
  bio TEXT,
  token TEXT NOT NULL,
  scopes TEXT NOT NULL,
  state TEXT DEFAULT 'inactive',
  expired_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  user_id INTEGER
);
CREATE UNIQUE INDEX uk_personal_access_token_name ON personal_access_token (name);
CREATE UNIQUE INDEX uk_personal_access_token ON personal_access_token (token);

CREATE TABLE scheduler (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  config TEXT,
  host_name TEXT NOT NULL COLLATE NOCASE,
  idc TEXT,
  location TEXT,
  ip TEXT NOT NULL,
  port INTEGER NOT NULL,
  state TEXT DEFAULT 'inactive',
  features TEXT,
  last_keep_alive_at TEXT,
  scheduler_cluster_id INTEGER NOT NULL
);
CREATE UNIQUE INDEX uk_scheduler ON scheduler (host_name, ip, scheduler_cluster_id);

CREATE TABLE scheduler_cluster (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  name TEXT NOT NULL COLLATE NOCASE,
  bio TEXT,
  config TEXT NOT NULL,
  client_config TEXT NOT NULL,
  scopes TEXT,
  is_default INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX uk_scheduler_cluster_name ON scheduler_cluster (name);

CREATE TABLE seed_peer (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  host_name TEXT NOT NULL COLLATE NOCASE,
  type TEXT,
  idc TEXT,
  location TEXT,
  ip TEXT NOT NULL,
  port INTEGER NOT NULL,
  download_port INTEGER NOT NULL,
  object_storage_port INTEGER,
  state TEXT DEFAULT 'inactive',
  seed_peer_cluster_id INTEGER NOT NULL
);
CREATE UNIQUE INDEX uk_seed_peer ON seed_peer (host_name, ip, seed_peer_cluster_id);

CREATE TABLE seed_peer_cluster (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  name TEXT NOT NULL COLLATE NOCASE,
  bio TEXT,
  config TEXT NOT NULL
);
CREATE UNIQUE INDEX uk_seed_peer_cluster_name ON seed_peer_cluster (name);

CREATE TABLE seed_peer_cluster_scheduler_cluster (
  scheduler_cluster_id INTEGER NOT NULL,
  seed_peer_cluster_id INTEGER NOT NULL,
  PRIMARY KEY (scheduler_cluster_id, seed_peer_cluster_id)
);

CREATE TABLE user (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT, updated_at TEXT, is_del INTEGER DEFAULT 0,
  email TEXT NOT NULL COLLATE NOCASE,
  name TEXT NOT NULL COLLATE NOCASE,
  encrypted_password TEXT,
  avatar TEXT,
  phone TEXT,
  private_token TEXT,
  state TEXT DEFAULT 'enable',
  location TEXT,
  bio TEXT
);
CREATE UNIQUE INDEX uk_user_email ON user (email);
CREATE UNIQUE INDEX uk_user_name ON user (name);
)sql";

// The original has the column since v2.5; clients from v1.2.11 on want it filled.
constexpr char kSeedClientConfig[] = R"sql(
ALTER TABLE scheduler_cluster ADD COLUMN seed_client_config TEXT NOT NULL DEFAULT '{}';
)sql";

// Keys that the manager makes itself. No table of the original: REST never shows it.
constexpr char kSecrets[] = R"sql(
CREATE TABLE secret (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
)sql";

constexpr std::array<const char*, 3> kMigrations = {kTablesOfV240, kSeedClientConfig, kSecrets};

}  // namespace

std::span<const char* const> SqliteMigrations() { return kMigrations; }

}  // namespace dragonfly::manager
