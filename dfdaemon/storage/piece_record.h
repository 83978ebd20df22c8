#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/types.h"

namespace dragonfly::dfdaemon {

/// What is known of a piece once all of its bytes are on disk and checked.
struct PieceRecord {
  PieceNumber number = 0;
  std::uint64_t offset = 0;  ///< Bytes from the start of the content.
  std::uint64_t length = 0;  ///< Bytes.
  /// CRC-32 IEEE of the bytes; absent for content that was imported by hard link.
  std::optional<std::uint32_t> crc32;
  /// Peer the bytes came from; empty when they came from the source.
  PeerId parent_id;
  TrafficType traffic_type = TrafficType::kBackToSource;
  std::chrono::nanoseconds cost{0};  ///< Time from request to last byte.
  WallTime created_at;
};

/// What a server needs to send a piece. Holds nothing of its own: `parent_id` points into the task.
struct PieceLocation {
  std::uint64_t offset = 0;  ///< Bytes from the start of the content.
  std::uint64_t length = 0;  ///< Bytes.
  std::optional<std::uint32_t> crc32;
  std::string_view parent_id;  ///< Valid as long as the StoredTask lives.
  std::chrono::nanoseconds cost{0};
  WallTime created_at;
};

}  // namespace dragonfly::dfdaemon
