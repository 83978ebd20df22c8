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
  /// StrongEtag() of the Stat that the task began with: an answer with another one is DataLoss, so
  /// that no content is put together from two versions. Empty = not checked.
  std::string etag;
};

/// The source's answer to "how long is it, and with which headers".
struct SourceStat {
  int status_code = 0;
  HeaderList headers;  ///< Describe the full object: no Content-Range, Content-Length = the total.
  /// Absent when the source does not tell (chunked).
  std::optional<std::uint64_t> content_length;
  bool supports_ranges = false;
};

/// The ETag of `headers` when it names one version byte by byte, else empty.
[[nodiscard]] std::string StrongEtag(const HeaderList& headers);

/// Details of a failure at the source; travels as a payload of the absl::Status and becomes the JSON
/// of the RPC's status details and the proxy's answer.
struct SourceErrorInfo {
  std::string message;
  HeaderList headers;
  std::optional<int> status_code;  ///< Absent when there was no HTTP answer.
};

/// A Status for a failure at the source. Code: NotFound 404/410 · PermissionDenied 401/403 ·
/// ResourceExhausted 429 · Unavailable 5xx, 408 and transport errors · Internal others.
absl::Status SourceError(SourceErrorInfo info);
/// The same with another code: DataLoss for a source that lies or changed, DeadlineExceeded.
absl::Status SourceError(absl::StatusCode code, SourceErrorInfo info);
/// The details, when `status` came from the source.
std::optional<SourceErrorInfo> GetSourceError(const absl::Status& status);

/// Takes the pieces of a whole object in order.
struct PieceSequence {
  virtual ~PieceSequence() = default;
  /// The writer for piece `number`, or null to throw its bytes away.
  virtual PieceWriter* Begin(PieceNumber number) = 0;
  /// The piece's bytes are all appended: commit it.
  virtual absl::Status End(PieceNumber number) = 0;
};

/// A whole object in a file without a name, which goes away with this.
class SpooledContent {
 public:
  virtual ~SpooledContent() = default;
  [[nodiscard]] virtual std::uint64_t length() const = 0;  ///< Bytes.
  /// Hands the bytes to `pieces`, as FetchAll does; blocks on the disk.
  virtual absl::Status CopyTo(std::uint64_t piece_length, PieceSequence& pieces) = 0;
};

/// Reads content from where it originally lives. One instance per daemon; any serial executor of the
/// `data` runtime may call it. Retries with backoff inside; honours cancellation. Writers and
/// sequences are called on one thread at a time, until the function has returned.
///
/// A failure at the source is a SourceError whose text may reach the user; failures of a writer or
/// sequence come back as they are.
class Source {
 public:
  using PieceSequence = dfdaemon::PieceSequence;

  virtual ~Source() = default;

  /// Length and headers of the object, asked of the source itself and not of a cached redirect
  /// target. InvalidArgument for a URL or scheme it does not know.
  virtual Awaitable<absl::StatusOr<SourceStat>> Stat(SourceRequest request) = 0;

  /// Fetches the bytes of the writer's piece into it; does not commit. `total_length` is the content
  /// length the task was created with: a source that answers with another length, another range or
  /// fewer bytes is DataLoss (the source changed or lies). Continues behind writer.written(), also
  /// after a broken connection. Limits of bandwidth are the source's own.
  virtual Awaitable<absl::Status> FetchPiece(SourceRequest request, std::uint64_t total_length,
                                             PieceWriter& writer) = 0;

  /// Fetches the whole object once, from its first byte, handing the pieces to `pieces` in order: for
  /// sources without ranges. After a broken connection it reads again from the start, skips what the
  /// pieces have, and gives up with DataLoss when the source does not show by ETag or Last-Modified
  /// that it is the same object. DataLoss for another length.
  virtual Awaitable<absl::Status> FetchAll(SourceRequest request, std::uint64_t total_length,
                                           std::uint64_t piece_length, PieceSequence& pieces) = 0;

  /// For objects whose length Stat could not tell (and a task must know it): reads the object once,
  /// into a file without a name in `directory`, so that it can be cut into pieces afterwards.
  /// ResourceExhausted beyond `length_max` bytes: give what the disk has to spare, half of it, since
  /// the content file needs the same again.
  virtual Awaitable<absl::StatusOr<std::unique_ptr<SpooledContent>>> Spool(
      SourceRequest request, std::string directory, std::uint64_t length_max) {
    (void)request, (void)directory, (void)length_max;
    co_return absl::UnimplementedError("the source does not tell the length of the content");
  }
};

}  // namespace dragonfly::dfdaemon
