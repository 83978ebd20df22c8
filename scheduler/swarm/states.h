#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace dragonfly::scheduler {

// State machines of standard tasks. Go scheduler/resource/standard/{peer,task}.go, v2.4.0.

enum class PeerState : std::uint8_t {
  kPending,
  kReceivedEmpty,
  kReceivedTiny,
  kReceivedSmall,
  kReceivedNormal,
  kRunning,
  kBackToSource,
  kSucceeded,
  kFailed,
  kLeave,
};
inline constexpr std::size_t kPeerStateCount = 10;

enum class PeerEvent : std::uint8_t {
  kRegisterEmpty,
  kRegisterTiny,
  kRegisterSmall,
  kRegisterNormal,
  kDownload,
  kDownloadBackToSource,
  kDownloadSucceeded,
  kDownloadFailed,
  kLeave,
};

enum class TaskState : std::uint8_t { kPending, kRunning, kSucceeded, kFailed, kLeave };

enum class TaskEvent : std::uint8_t { kDownload, kDownloadSucceeded, kDownloadFailed, kLeave };

/// As they travel in Peer.state and Task.state, and as logs name them.
[[nodiscard]] std::string_view Name(PeerState state);
[[nodiscard]] std::string_view Name(PeerEvent event);
[[nodiscard]] std::string_view Name(TaskState state);
[[nodiscard]] std::string_view Name(TaskEvent event);

/// The state after `event`; nothing when the state forbids it.
[[nodiscard]] std::optional<PeerState> After(PeerState state, PeerEvent event);
[[nodiscard]] std::optional<TaskState> After(TaskState state, TaskEvent event);

/// One of the four Received states.
[[nodiscard]] constexpr bool IsReceived(PeerState state) {
  return state >= PeerState::kReceivedEmpty && state <= PeerState::kReceivedNormal;
}

/// Numbers of common.v2.SizeScope.
enum class SizeScope : std::uint8_t {
  kNormal = 0,
  kSmall = 1,
  kTiny = 2,
  kEmpty = 3,
  kUnknown = 4,
};

/// Negative arguments: not known.
[[nodiscard]] constexpr SizeScope SizeScopeOf(std::int64_t content_length,
                                              std::int64_t piece_count) {
  if (content_length < 0 || piece_count < 0) return SizeScope::kUnknown;
  if (content_length == 0) return SizeScope::kEmpty;
  if (content_length <= 128) return SizeScope::kTiny;
  return piece_count == 1 ? SizeScope::kSmall : SizeScope::kNormal;
}

}  // namespace dragonfly::scheduler
