#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/async/notifier.h"
#include "common/base/mutex.h"
#include "dfdaemon/cluster/scheduler_client.h"
#include "dfdaemon/source/source.h"
#include "dfdaemon/task/task_metrics.h"
#include "dfdaemon/transfer/piece_fetcher.h"

namespace dragonfly::dfdaemon {

/// Bytes that differ from place to place.
[[nodiscard]] std::string FakeContent(std::size_t length);

/// A door in the way of coroutines of any executor.
class Gate {
 public:
  explicit Gate(bool open = true) : open_(open) {}
  void Open();
  void Close();
  /// Returns once the gate is open.
  Awaitable<> Pass();
  /// Coroutines that wait now.
  [[nodiscard]] int waiting() const;

 private:
  mutable Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_);
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::shared_ptr<Notifier>> waiters_ ABSL_GUARDED_BY(mutex_);
};

/// One object at one URL.
class FakeSource final : public Source {
 public:
  explicit FakeSource(std::string object) : object_(std::move(object)) {}

  // Set before use.
  bool supports_ranges = true;
  bool tells_length = true;
  std::optional<absl::Status> stat_error;
  /// By the request, so that credentials can matter.
  std::function<std::optional<absl::Status>(const SourceRequest&)> fetch_error;
  Gate gate;  ///< In the way of every piece.
  std::string object_;

  Awaitable<absl::StatusOr<SourceStat>> Stat(SourceRequest request) override;
  Awaitable<absl::Status> FetchPiece(SourceRequest request, std::uint64_t total_length,
                                     PieceWriter& writer) override;
  Awaitable<absl::Status> FetchAll(SourceRequest request, std::uint64_t total_length,
                                   std::uint64_t piece_length, PieceSequence& pieces) override;

  Awaitable<absl::StatusOr<std::unique_ptr<SpooledContent>>> Spool(
      SourceRequest request, std::string directory, std::uint64_t length_max) override;

  [[nodiscard]] int stats() const;
  [[nodiscard]] std::vector<PieceNumber> fetched() const;
  [[nodiscard]] int whole_reads() const;

 private:
  mutable Mutex mutex_;
  int stats_ ABSL_GUARDED_BY(mutex_) = 0;
  int whole_reads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<PieceNumber> fetched_ ABSL_GUARDED_BY(mutex_);
};

/// A parent: what it offers and how it serves. Its Vortex port names it.
struct FakeParent {
  FakeParent(std::string its_name, std::uint16_t its_port, std::string its_object)
      : name(std::move(its_name)), port(its_port), object(std::move(its_object)) {}

  [[nodiscard]] CandidateParent candidate() const;

  const std::string name;
  const std::uint16_t port;
  std::string object;
  bool is_seed = false;
  std::set<PieceNumber> offers;    ///< Empty = everything.
  bool keeps_stream_open = false;  ///< Does not end the stream after its offers.
  std::optional<absl::Status> stream_error;
  std::optional<OfferedPiece> wrong_offer;
  std::function<absl::Status(PieceNumber)> serve;  ///< Fails a transfer.
  Gate gate;                                       ///< In the way of every transfer.
};

class FakeParents final : public ParentClient, public PieceFetcher {
 public:
  FakeParents(asio::any_io_executor io, std::uint64_t piece_length)
      : io_(std::move(io)), piece_length_(piece_length) {}

  FakeParent& Add(std::string name, std::string object);

  std::unique_ptr<PieceOffers> SyncPieces(const CandidateParent& parent, TaskKind kind,
                                          const PeerIdentity& self,
                                          std::vector<PieceNumber> interested) override;
  std::shared_ptr<LoadWatch> WatchLoad(const CandidateParent& parent,
                                       const PeerIdentity& self) override;
  Awaitable<absl::StatusOr<FetchedPiece>> Fetch(VortexAddress parent, TaskKind kind, TaskId task,
                                                PieceSink& sink) override;

  /// Pieces served by each parent, by its name.
  [[nodiscard]] std::map<std::string, int> served() const;
  [[nodiscard]] int streams() const { return streams_; }

 private:
  class Offers;

  const asio::any_io_executor io_;
  const std::uint64_t piece_length_;
  std::map<std::uint16_t, std::unique_ptr<FakeParent>> parents_;
  int streams_ = 0;
  mutable Mutex mutex_;
  std::map<std::string, int> served_ ABSL_GUARDED_BY(mutex_);
};

/// A scheduler with a script. Runs on: the `io` executor.
class FakeScheduler final : public SchedulerClient {
 public:
  explicit FakeScheduler(asio::any_io_executor io) : io_(std::move(io)) {}

  /// Answers a registration (`reschedule` null) or a reschedule; nullopt = the stream ends with
  /// `stream_error`.
  using Answer = std::optional<ScheduleDecision>;
  std::function<Answer(const DownloadRequest& request, const PeerReschedule* reschedule)> answer;
  std::optional<absl::Status> connect_error;
  absl::Status stream_error = absl::UnavailableError("scheduler died");

  Awaitable<absl::StatusOr<std::unique_ptr<PeerConversation>>> AnnouncePeer(
      PeerIdentity peer, DownloadRequest request, ActualSizes sizes) override;
  Awaitable<absl::Status> DeleteTask(HostId host, TaskId task) override;

  /// Every conversation breaks now.
  void Die();

  /// What peers said, in words: `register`, `started`, `piece 3 from a`, `source piece 3`, ….
  [[nodiscard]] std::vector<std::string> reports() const;
  [[nodiscard]] int registrations() const;
  [[nodiscard]] int deleted() const { return deleted_; }

 private:
  class Conversation;
  struct Shared {
    explicit Shared(asio::any_io_executor io) : changed(std::move(io)) {}
    Notifier changed;
    bool dead = false;
    mutable Mutex mutex;
    std::vector<std::string> reports ABSL_GUARDED_BY(mutex);
    int registrations ABSL_GUARDED_BY(mutex) = 0;
  };

  const asio::any_io_executor io_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>(io_);
  int deleted_ = 0;
};

class CountingTaskMetrics final : public TaskMetrics {
 public:
  void DownloadStarted(const TaskLabels& labels) override;
  void DownloadEnded(const TaskLabels& labels, const DownloadOutcome& outcome) override;
  void DownloadBlocked(TaskKind /*kind*/) override { Add("blocked"); }
  void PrefetchStarted(const TaskLabels& labels) override;
  void PrefetchFailed(const TaskLabels& labels) override;
  void PieceDownloaded(TrafficType type, TaskKind kind, std::uint64_t bytes) override;

  /// `started`, `succeeded`, `failed`, `left`, `blocked`, `prefetch`, `prefetch_failed`,
  /// `source_bytes`, `peer_bytes`, `local_bytes`.
  [[nodiscard]] std::uint64_t Get(const std::string& name) const;

 private:
  void Add(const std::string& name, std::uint64_t by = 1);
  mutable Mutex mutex_;
  std::map<std::string, std::uint64_t> counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::dfdaemon
