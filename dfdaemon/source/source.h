#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/types.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// Credentials and place of an object store, as common.v2.ObjectStorage has them.
struct ObjectStorageAccess {
  std::string region;
  std::string endpoint;
  std::string access_key_id;
  std::string access_key_secret;
  std::string session_token;
  std::string credential_path;
  std::string predefined_acl;
  bool insecure_skip_verify = false;
};

/// What to ask the source for.
struct SourceRequest {
  TaskId task_id;      ///< For logs.
  std::string url;
  HeaderList headers;  ///< From the caller; Range and Host are ours.
  /// DER certificates to trust besides the system's.
  std::vector<std::string> certificate_chain;
  std::optional<ObjectStorageAccess> object_storage;
  std::chrono::milliseconds timeout{360'000};  ///< Connect, request and response head.
};

/// The source's answer to "how long is it, and with which headers".
struct SourceStat {
  int status_code = 0;
  HeaderList headers;  ///< Describe the full object: no Content-Range, Content-Length = the total.
  /// Absent when the source does not tell (chunked).
  std::optional<std::uint64_t> content_length;
  bool supports_ranges = false;
};

/// Details of a failure at the source; travels as a payload of the absl::Status and becomes the JSON
/// of the RPC's status details and the proxy's answer.
struct SourceErrorInfo {
  std::string message;
  HeaderList headers;
  std::optional<int> status_code;  ///< Absent when there was no HTTP answer.
};

/// A Status for a failure at the source. Code: NotFound 404/410 · PermissionDenied 401/403 ·
/// ResourceExhausted 429 · Unavailable 5xx and transport errors · Internal others.
absl::Status SourceError(SourceErrorInfo info);
/// The details, when `status` came from the source.
std::optional<SourceErrorInfo> GetSourceError(const absl::Status& status);

/// Reads content from where it originally lives. One instance per daemon; any serial executor of the
/// `data` runtime may call it. Retries with backoff inside; honours cancellation.
class Source {
 public:
  virtual ~Source() = default;

  /// Length and headers of the object. InvalidArgument for a URL or scheme it does not know; a
  /// SourceError otherwise.
  virtual Awaitable<absl::StatusOr<SourceStat>> Stat(SourceRequest request) = 0;

  /// Fetches the bytes of the writer's piece into it; does not commit. `total_length` is the content
  /// length the task was created with: a source that answers with another length, another range or
  /// fewer bytes is DataLoss (the source changed or lies). Limits of bandwidth are the source's own.
  virtual Awaitable<absl::Status> FetchPiece(SourceRequest request, std::uint64_t total_length,
                                             PieceWriter& writer) = 0;

  /// Fetches the whole object once, from its first byte, handing the pieces to `next_writer` in
  /// order (null = skip this piece's bytes): for sources without ranges. Commits each piece through
  /// `commit`.
  struct PieceSequence {
    virtual ~PieceSequence() = default;
    /// The writer for piece `number`, or null to throw its bytes away.
    virtual PieceWriter* Begin(PieceNumber number) = 0;
    /// The piece's bytes are all appended.
    virtual absl::Status End(PieceNumber number) = 0;
  };
  virtual Awaitable<absl::Status> FetchAll(SourceRequest request, std::uint64_t total_length,
                                           std::uint64_t piece_length, PieceSequence& pieces) = 0;
};

}  // namespace dragonfly::dfdaemon
