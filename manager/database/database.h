#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "manager/database/models.h"

namespace dragonfly::manager {

/// Who a daemon is: its row in `scheduler` or `seed_peer`, unique in the database. Old daemons may
/// leave `ip` empty in what they ask; then every address matches.
struct MemberKey {
  std::string host_name;
  std::string ip;
  std::uint64_t cluster_id = 0;

  friend auto operator<=>(const MemberKey&, const MemberKey&) = default;
  template <class H>
  friend H AbslHashValue(H state, const MemberKey& key) {
    return H::combine(std::move(state), key.host_name, key.ip, key.cluster_id);
  }
};

/// What a scheduler says of itself. Empty idc and location leave what is stored.
struct SchedulerRegistration {
  MemberKey key;
  std::string idc;
  std::string location;
  std::int32_t port = 0;
  std::string features_json;
  /// "null" when it sent none.
  std::string config_json = "null";
};

/// What a seed peer says of itself. Empty idc and location leave what is stored.
struct SeedPeerRegistration {
  MemberKey key;
  std::string type;
  std::string idc;
  std::string location;
  std::int32_t port = 0;
  std::int32_t download_port = 0;
};

/// Whether a write made a difference that readers of Topology can see.
enum class Change : std::uint8_t { kNone, kChanged };

/// Rows for an empty database, besides the default clusters and permissions.
struct SeedData {
  /// bcrypt; for the user `root`.
  std::string root_password_hash;
  /// Signs sign-in tokens; for managers whose configuration has none.
  std::string jwt_key;
};

/// What is stored for the cluster as a whole. Every call blocks: make it on the `db` pool.
/// Thread-safe.
///
/// Errors of any call: Unavailable (try again), ResourceExhausted (disk full), DataLoss (damaged),
/// Internal; further ones at the function.
class Database {
 public:
  virtual ~Database() = default;

  /// Adds the rows of a first start that are missing. Returns true when it created the user `root`,
  /// so that whoever made the password can tell it to the user.
  virtual absl::StatusOr<bool> Seed(const SeedData& data, WallTime now) = 0;
  /// Whether Seed() would create the user `root`.
  virtual absl::StatusOr<bool> NeedsRootUser() = 0;
  /// The stored key. NotFound before Seed().
  virtual absl::StatusOr<std::string> JwtKey() = 0;

  virtual absl::StatusOr<Topology> LoadTopology() = 0;

  /// Creates the row, `inactive`, or updates it; a known scheduler keeps its state. The port is not
  /// part of the key: a scheduler that comes back on another port is the same one.
  virtual absl::StatusOr<Scheduler> UpsertScheduler(const SchedulerRegistration& registration,
                                                    WallTime now) = 0;
  /// Stores that the scheduler lives, and that it is active. NotFound "record not found".
  virtual absl::StatusOr<Change> KeepSchedulerAlive(const MemberKey& key, WallTime now) = 0;
  /// kNone when it was inactive already or is not there.
  virtual absl::StatusOr<Change> DeactivateScheduler(const MemberKey& key, WallTime now) = 0;

  /// Creates the row or updates it; active in both cases.
  virtual absl::StatusOr<SeedPeer> UpsertSeedPeer(const SeedPeerRegistration& registration,
                                                  WallTime now) = 0;
  virtual absl::StatusOr<Change> KeepSeedPeerAlive(const MemberKey& key, WallTime now) = 0;
  virtual absl::StatusOr<Change> DeactivateSeedPeer(const MemberKey& key, WallTime now) = 0;
  /// Also OK when nothing matches.
  virtual absl::Status DeleteSeedPeer(const MemberKey& key) = 0;

  /// How many migrations have been applied.
  virtual absl::StatusOr<std::int64_t> SchemaVersion() = 0;
};

struct DatabaseOptions {
  /// `sqlite`, or what another implementation calls itself.
  std::string type = "sqlite";
  /// SQLite: the file; its folder is created, mode 0700.
  std::string path;
};

/// Opens the database and migrates it to this build's schema. Blocks. Errors besides Database's:
/// Unimplemented for a type that this build has no code for, InvalidArgument for an unknown one,
/// FailedPrecondition when a newer build has migrated the file, PermissionDenied.
absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const DatabaseOptions& options);

}  // namespace dragonfly::manager
