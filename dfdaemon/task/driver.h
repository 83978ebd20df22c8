#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/async/notifier.h"
#include "common/async/task_group.h"
#include "dfdaemon/task/caller.h"
#include "dfdaemon/task/content_hasher.h"
#include "dfdaemon/task/round.h"
#include "dfdaemon/task/task_env.h"

namespace dragonfly::dfdaemon {

/// The one download of a task, shared by all who want it now. It works in rounds: each registers one
/// peer, gets what the callers of that moment need, and has the whole content checked where its digest
/// is known before anybody is told that it is complete. Runs on: the `io` executor.
class Driver {
 public:
  struct Start {
    std::shared_ptr<StoredTask> stored;
    PieceLayout layout;
    PeerIdentity peer;  ///< Of the first round.
    /// Known when the source was asked to create the task.
    std::optional<bool> source_has_ranges;
    /// What the content must hash to, by its name.
    std::optional<Digest> blob_digest;
  };
  Driver(TaskEnv& env, Start start);

  /// Another caller. Only while accepting().
  void Join(std::shared_ptr<Caller> caller);
  /// The caller takes no more pieces. The last one to leave stops the download, unless a scheduler
  /// wanted it.
  void Leave(const std::shared_ptr<Caller>& caller);
  /// Ends the download for everybody with `status`.
  void Cancel(absl::Status status);

  /// Returns when nobody needs anything any more. Never cancelled: Cancel() ends it.
  Awaitable<> Run();
  [[nodiscard]] bool accepting() const { return !ended_ && !cancelled_; }
  [[nodiscard]] const PeerIdentity& peer() const { return start_.peer; }

 private:
  using Callers = std::vector<std::shared_ptr<Caller>>;

  void BeginRound();
  void EnterRound(Caller& caller);
  [[nodiscard]] bool FitsRound(const Caller& caller) const;
  Awaitable<> EndRound();
  Awaitable<> FinishWithoutRound();
  void RoundFailed(const absl::Status& status);
  void OnHere(PieceNumber number);
  void OnLost(PieceNumber number);

  /// Whether the content is what it must be. On false the round has to be done again.
  Awaitable<absl::StatusOr<bool>> Judge();
  Awaitable<absl::StatusOr<std::vector<Digest>>> DigestsOf(std::vector<DigestAlgorithm> wanted);
  Awaitable<> DropDamaged();
  absl::StatusOr<bool> JudgeBlob(const Digest& actual);
  absl::StatusOr<bool> JudgeCallers(const std::vector<Digest>& actual, bool blob_holds);
  [[nodiscard]] std::vector<DigestAlgorithm> WantedAlgorithms() const;
  [[nodiscard]] absl::flat_hash_set<HostId> HostsOfPieces() const;
  void DropPieces();

  void Succeed();
  void EndCaller(const std::shared_ptr<Caller>& caller, const absl::Status& status);
  void EndAll(const absl::Status& status);

  TaskEnv& env_;
  Start start_;
  const Logger log_;
  const std::shared_ptr<void> pin_;
  Notifier changed_;
  Callers callers_;
  std::unique_ptr<Round> round_;
  std::unique_ptr<ContentHasher> hasher_;
  bool first_round_ = true;
  bool fetched_ = false;  // Some piece came through this driver.
  bool ended_ = false;
  std::optional<absl::Status> cancelled_;
  int bad_contents_ = 0;
  absl::flat_hash_set<HostId> avoid_;   // Their pieces made a content that was not the wanted one.
};

}  // namespace dragonfly::dfdaemon
