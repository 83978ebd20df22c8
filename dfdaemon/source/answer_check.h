#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/types.h"
#include "common/http/client.h"
#include "dfdaemon/source/source.h"

namespace dragonfly::dfdaemon {

/// Judges what an origin answers; pure. Every failure is a SourceError.

/// The origin's own failure: status and headers travel on.
[[nodiscard]] absl::Status StatusFailure(const HttpClientResponse& head);
/// The origin contradicts itself or what it said before: DataLoss.
[[nodiscard]] absl::Status SourceLies(std::string text);
/// A failure of the network; InvalidArgument and Cancelled stay what they are.
[[nodiscard]] absl::Status TransportFailure(const absl::Status& status);

[[nodiscard]] std::optional<std::uint64_t> ContentLength(const HttpClientResponse& head);
/// A 3xx answer that names where to go.
[[nodiscard]] std::optional<std::string> RedirectTarget(const HttpClientResponse& head);

/// The answer to a Stat. `length` is absent when this answer does not tell it.
[[nodiscard]] absl::StatusOr<SourceStat> ReadStat(const HttpClientResponse& head);

/// Whether the body of `head` is `range` of a content of `total` bytes. A 200 answer is fine for a
/// range that begins at 0: then the body is the whole content.
[[nodiscard]] absl::Status CheckRangeAnswer(const HttpClientResponse& head, const ByteRange& range,
                                            std::uint64_t total);

/// Whether the body of `head` is the whole content; `total` absent = of any length.
[[nodiscard]] absl::Status CheckWholeAnswer(const HttpClientResponse& head,
                                            std::optional<std::uint64_t> total);

/// Fails when both tags are known and differ.
[[nodiscard]] absl::Status CheckEtag(const HttpClientResponse& head, const std::string& expected);

/// Whether asking again may help: 5xx, 408, 429 and failures of the network.
[[nodiscard]] bool IsTransient(const HttpClientResponse& head);
/// Retry-After in seconds, at most `longest`; 0 without one.
[[nodiscard]] std::chrono::milliseconds RetryAfter(const HttpClientResponse& head,
                                                   std::chrono::milliseconds longest);

}  // namespace dragonfly::dfdaemon
