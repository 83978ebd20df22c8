#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/types.h"
#include "common/digest/digest.h"
#include "dfdaemon/cluster/scheduler_client.h"
#include "dfdaemon/source/source.h"

namespace dragonfly::dfdaemon {

// What a request asks for, read once at its start. Pure.

/// InvalidArgument when the request names no URL, or its URL cannot have an id.
[[nodiscard]] absl::StatusOr<TaskId> TaskIdOf(const DownloadRequest& request);

/// The range to deliver: the request's own, else its first Range header, cut at the content. Nothing
/// for the whole content. FailedPrecondition when it does not fit.
[[nodiscard]] absl::StatusOr<std::optional<ByteRange>> RangeOf(const DownloadRequest& request,
                                                               std::uint64_t content_length);
[[nodiscard]] bool HasRange(const DownloadRequest& request);

/// The digest that a blob URL names and its content must have. Nothing for other URLs.
[[nodiscard]] std::optional<Digest> BlobDigestOf(const std::string& url);

/// The caller's digest. InvalidArgument for a malformed one or an algorithm that is not offered.
[[nodiscard]] absl::StatusOr<std::optional<Digest>> RequestedDigest(const DownloadRequest& request);

[[nodiscard]] SourceRequest MakeSourceRequest(const DownloadRequest& request, const TaskId& id,
                                              std::chrono::milliseconds timeout);

/// Equal for requests that the source cannot tell apart, so that one answer serves both.
[[nodiscard]] std::string SourceKey(const SourceRequest& request);

/// The request as it goes to the scheduler: with its range, without what concerns this host only.
[[nodiscard]] DownloadRequest ForScheduler(DownloadRequest request,
                                           const std::optional<ByteRange>& range);

/// The request for the rest of the content, after a range of it.
[[nodiscard]] DownloadRequest ForPrefetch(DownloadRequest request);

/// The host of a peer: `<ip>-<hostname>[-seed]` of `<ip>-<hostname>-<uuid>[-seed]`. Empty when the id
/// has not this form.
[[nodiscard]] HostId HostOfPeer(const PeerId& peer);

}  // namespace dragonfly::dfdaemon
