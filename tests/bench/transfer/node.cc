#include "tests/bench/transfer/node.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace dragonfly::dfdaemon {

const TaskId& BenchTask() {
  static const TaskId id(std::string(64, 'a'));
  return id;
}

void Die(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  // Also in a child of fork, so no destructors.
  ::_exit(1);
}

std::unique_ptr<Storage> OpenStorage(const std::string& dir, bool keep, const Clock& clock) {
  StorageOptions options;
  options.dir = dir;
  options.keep = keep;
  auto storage = Storage::Open(std::move(options), clock);
  if (!storage.ok()) Die(storage.status());
  return *std::move(storage);
}

std::shared_ptr<StoredTask> CreateTask(Storage& storage, const Flags& flags) {
  TaskSpec spec;
  spec.id = BenchTask();
  spec.piece_length = flags.piece_kib * kKiB;
  spec.content_length = flags.size_mib * kMiB;
  auto task = storage.Create(std::move(spec));
  if (!task.ok()) Die(task.status());
  return *std::move(task);
}

}  // namespace dragonfly::dfdaemon
