#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "dfdaemon/storage/content_files.h"
#include "dfdaemon/storage/metadata.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/storage/stored_task.h"
#include "dfdaemon/storage/task_state.h"
#include "dfdaemon/storage/verifier.h"

namespace dragonfly::dfdaemon {

class StorageImpl final : public Storage {
 public:
  StorageImpl(StorageOptions options, const Clock& clock);
  ~StorageImpl() override;

  /// What Storage::Open() does.
  absl::Status Open();

  [[nodiscard]] std::shared_ptr<StoredTask> Find(TaskKind kind, const TaskId& id) const override;
  [[nodiscard]] std::vector<std::shared_ptr<StoredTask>> List() const override;
  [[nodiscard]] std::vector<StoredTaskSummary> Summaries() const override;
  absl::StatusOr<std::shared_ptr<StoredTask>> Create(TaskSpec spec) override;
  absl::Status Remove(TaskKind kind, const TaskId& id) override;
  absl::Status RemoveUnused(TaskKind kind, const TaskId& id, WallTime not_used_since) override;
  absl::StatusOr<bool> Inspect(TaskKind kind, const TaskId& id) override;
  [[nodiscard]] absl::StatusOr<DiskUsage> Usage() const override;

 private:
  using Key = std::pair<TaskKind, TaskId>;
  struct Entry {
    std::shared_ptr<TaskState> state;
    mutable std::weak_ptr<StoredTaskHandle> handle;  // Of those who use the task now.
  };
  // By kind and id, which the state holds already: there may be very many tasks.
  struct EntryHash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const { return absl::HashOf(key.first, key.second); }
    std::size_t operator()(const Entry& entry) const {
      return absl::HashOf(entry.state->kind(), entry.state->id());
    }
  };
  struct EntryEqual {
    using is_transparent = void;
    bool operator()(const Entry& entry, const Key& key) const {
      return entry.state->kind() == key.first && entry.state->id() == key.second;
    }
    bool operator()(const Entry& entry, const Entry& other) const {
      return entry.state->kind() == other.state->kind() && entry.state->id() == other.state->id();
    }
  };

  absl::Status LockDir();
  absl::Status OpenMetadata(const std::string& boot_id);
  absl::Status Load();
  /// Null when record and content do not fit together.
  std::shared_ptr<TaskState> Restore(TaskRow row, const std::vector<PieceRecord>& pieces);
  /// What Create() does to a task that is there already: it, an error, or null to make a new one.
  absl::StatusOr<std::shared_ptr<StoredTask>> UseExisting(const TaskSpec& spec)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CreateContent(const TaskSpec& spec);
  /// `only`: nothing but this one; OK when another has its name by now.
  absl::Status RemoveTask(const Key& key, std::optional<WallTime> not_used_since,
                          const TaskState* only = nullptr);
  /// With `key` marked as busy.
  absl::Status RemoveBusy(const Key& key, const std::shared_ptr<TaskState>& state,
                          std::optional<WallTime> not_used_since);
  [[nodiscard]] DiskUsage WithThreshold(DiskUsage disk) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<StoredTaskHandle> HandleOf(const Entry& entry) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool SyncContent();

  const StorageOptions options_;
  const Clock& clock_;
  FileDescriptor lock_;
  const std::shared_ptr<ContentFiles> files_;
  std::shared_ptr<Metadata> metadata_;
  std::unique_ptr<Verifier> verifier_;

  mutable Mutex mutex_;
  CondVar idle_;  // An entry of busy_ went away.
  absl::flat_hash_set<Entry, EntryHash, EntryEqual> tasks_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<Key> busy_ ABSL_GUARDED_BY(mutex_);    // Being created or removed.
  std::uint64_t content_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of all content files.
  Metadata::Ticket last_removal_ ABSL_GUARDED_BY(mutex_) = 0;
  // Tasks in use keep their descriptors open between requests.
  mutable std::array<std::shared_ptr<StoredTaskHandle>, 32> recent_ ABSL_GUARDED_BY(mutex_);
  mutable std::size_t next_recent_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace dragonfly::dfdaemon
