#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/async/notifier.h"
#include "common/base/types.h"
#include "common/digest/digest.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// Digests of a whole content, computed while its pieces arrive: it reads the finished pieces in
/// order, from the page cache as a rule, so that little is left to do after the last one.
/// Runs on: the `io` executor; reading and hashing happen in the pool.
class ContentHasher {
 public:
  /// Algorithms must be ones that Hasher::Create takes.
  ContentHasher(std::shared_ptr<StoredTask> task, BlockingPool& pool,
                const std::vector<DigestAlgorithm>& algorithms);

  /// Hashes what is there and what comes, until cancelled or done. `changed` is notified when a piece
  /// arrived. Not at the same time as Finish().
  Awaitable<> Follow(Notifier changed);

  /// Hashes the rest of a complete content. DataLoss when a piece is missing or cannot be read. After
  /// Forget() begins anew.
  Awaitable<absl::StatusOr<std::vector<Digest>>> Finish();

  /// A piece that may have been hashed is not what it was.
  void Forget() { stale_ = true; }

 private:
  struct Progress;

  absl::Status Begin();
  [[nodiscard]] PieceNumber ReadyUntil() const;
  Awaitable<absl::Status> HashUntil(PieceNumber end);

  const std::shared_ptr<StoredTask> task_;
  BlockingPool& pool_;
  const std::vector<DigestAlgorithm> algorithms_;
  std::shared_ptr<Progress> progress_;  // The pool's while a job runs; null before Begin().
  bool stale_ = false;
};

}  // namespace dragonfly::dfdaemon
