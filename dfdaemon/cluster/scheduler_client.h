#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/types.h"
#include "dfdaemon/source/source.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// Bits per second, as SyncHost and AnnounceHost carry them; 0 = unknown.
struct NetworkLoad {
  std::uint64_t max_rx_bandwidth = 0;
  std::uint64_t rx_bandwidth = 0;
  std::uint64_t max_tx_bandwidth = 0;
  std::uint64_t tx_bandwidth = 0;
};

/// A peer the scheduler proposes to download from.
struct CandidateParent {
  PeerId peer_id;
  HostId host_id;
  std::string ip;          ///< Without brackets, also for IPv6.
  std::uint16_t port = 0;  ///< Upload gRPC port.
  bool is_seed = false;
  std::optional<NetworkLoad> network;
};

/// Who downloads what, in every message of a conversation.
struct PeerIdentity {
  HostId host_id;
  TaskId task_id;
  PeerId peer_id;
};

/// The caller's wishes, as common.v2.Download has them; kept whole so that it can be sent on.
struct DownloadRequest {
  TaskKind kind = TaskKind::kStandard;
  std::string url;
  std::optional<std::string> digest;
  std::optional<ByteRange> range;
  std::optional<std::string> tag;
  std::optional<std::string> application;
  Priority priority = Priority::kLevel0;
  std::vector<std::string> filtered_query_params;
  HeaderList request_headers;
  std::optional<std::uint64_t> piece_length;
  std::optional<std::string> output_path;
  std::optional<std::chrono::milliseconds> timeout;
  bool disable_back_to_source = false;
  bool need_back_to_source = false;
  std::vector<std::string> certificate_chain;  ///< DER.
  bool prefetch = false;
  bool is_prefetch = false;
  bool need_piece_content = false;
  bool force_hard_link = false;
  bool overwrite = false;
  bool metadata_only = false;
  bool enable_task_id_based_blob_digest = false;
  std::optional<std::string> content_for_calculating_task_id;
  std::optional<std::string> remote_ip;
  std::optional<ObjectStorageAccess> object_storage;
};

/// Sizes known from the source or from disk before registering.
struct ActualSizes {
  std::uint64_t piece_length = 0;
  std::uint64_t content_length = 0;
  std::uint64_t piece_count = 0;
  std::uint32_t concurrent_piece_count = 0;
};

// What the scheduler answers.
struct EmptyTask {};
struct MetadataOnly {};
struct DownloadFromParents {
  std::vector<CandidateParent> candidates;
};
struct DownloadFromSource {
  std::string description;
};
using ScheduleDecision =
    std::variant<EmptyTask, MetadataOnly, DownloadFromParents, DownloadFromSource>;

// What the peer reports.
struct PeerStarted {};
struct PeerBackToSourceStarted {
  std::string description;
};
struct PeerReschedule {
  std::vector<CandidateParent> used;
  std::string description;
};
struct PieceFromParent {
  PieceRecord piece;
};
struct PieceFromSource {
  PieceRecord piece;
};
struct PieceFromParentFailed {
  PieceNumber number = 0;
  PeerId parent_id;
};
struct PieceFromSourceFailed {
  SourceErrorInfo error;
};
struct PeerFinished {};
struct PeerBackToSourceFinished {};
struct PeerFailed {
  std::string description;
};
struct PeerBackToSourceFailed {
  std::string description;
};
using PeerReport =
    std::variant<PeerStarted, PeerBackToSourceStarted, PeerReschedule, PieceFromParent,
                 PieceFromSource, PieceFromParentFailed, PieceFromSourceFailed, PeerFinished,
                 PeerBackToSourceFinished, PeerFailed, PeerBackToSourceFailed>;

/// One AnnouncePeer stream. Lives on the `io` executor; destroying it cancels the call.
class PeerConversation {
 public:
  virtual ~PeerConversation() = default;
  /// Queues a report and returns; reports leave in order. When the stream is gone the report is
  /// dropped, and the next Next() tells the error. While 4096 reports wait, those of single pieces
  /// are dropped, but never the final one of the peer.
  virtual void Report(PeerReport report) = 0;
  /// The scheduler's next decision; nullopt when the scheduler ended the stream with OK.
  /// Unavailable, or the scheduler's status, when the stream broke.
  virtual Awaitable<absl::StatusOr<std::optional<ScheduleDecision>>> Next() = 0;
};

struct TaskSummary {
  std::uint64_t content_length = 0;
  std::uint64_t piece_count = 0;
  std::uint64_t peer_count = 0;
  std::string state;
  bool has_available_peer = false;
};

/// The schedulers of the cluster. Lives on the `io` executor.
class SchedulerClient {
 public:
  virtual ~SchedulerClient() = default;
  /// Opens the conversation with the scheduler that owns the task and sends the registration. When
  /// that scheduler does not know this host (NotFound: it restarted), announces the host again
  /// once. Unavailable when no scheduler can be reached in time.
  virtual Awaitable<absl::StatusOr<std::unique_ptr<PeerConversation>>> AnnouncePeer(
      PeerIdentity peer, DownloadRequest request, ActualSizes sizes) = 0;
  virtual Awaitable<absl::Status> DeleteTask(HostId host, TaskId task) = 0;
};

/// A piece that a parent has.
struct OfferedPiece {
  PieceNumber number = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string ip;              ///< Where the parent serves Vortex; may be empty (old parents).
  std::uint16_t tcp_port = 0;  ///< 0 = not told.
  std::uint16_t quic_port = 0;
};

/// One SyncPieces stream to one parent, on the `io` executor; destroying it cancels.
class PieceOffers {
 public:
  virtual ~PieceOffers() = default;
  /// The next piece the parent has; nullopt when the parent ended the stream.
  virtual Awaitable<absl::StatusOr<std::optional<OfferedPiece>>> Next() = 0;
};

/// Talks to parents' upload gRPC servers. Lives on the `io` executor.
class ParentClient {
 public:
  virtual ~ParentClient() = default;
  virtual std::unique_ptr<PieceOffers> SyncPieces(const CandidateParent& parent, TaskKind kind,
                                                  const PeerIdentity& self,
                                                  std::vector<PieceNumber> interested) = 0;
  /// Latest load of the parent's host, fed by one SyncHost stream per host that lives as long as
  /// somebody holds a watch on it. nullopt until the first sample arrived.
  class LoadWatch {
   public:
    virtual ~LoadWatch() = default;
    [[nodiscard]] virtual std::optional<NetworkLoad> latest() const = 0;
    /// When latest() was told, which shows that the parent lives.
    [[nodiscard]] virtual std::optional<SteadyTime> updated() const = 0;
  };
  virtual std::shared_ptr<LoadWatch> WatchLoad(const CandidateParent& parent,
                                               const PeerIdentity& self) = 0;
};

}  // namespace dragonfly::dfdaemon
