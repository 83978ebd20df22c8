#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/base/types.h"

// Numbers of the Vortex wire format, which docs/formats/vortex.md describes.

namespace dragonfly {

enum class VortexTag : std::uint8_t {
  kDownloadPiece = 0,
  kPieceContent = 1,
  kDownloadPersistentPiece = 2,
  kPersistentPieceContent = 3,
  kDownloadPersistentCachePiece = 4,
  kPersistentCachePieceContent = 5,
  kDownloadCachePiece = 6,
  kCachePieceContent = 7,
  // 8 to 253 are reserved.
  kClose = 254,
  kError = 255,
};

enum class VortexErrorCode : std::uint8_t {
  kUnknown = 0,
  kInvalidArgument = 1,
  kNotFound = 2,
  kInternal = 3,
  // The rest is reserved.
};

inline constexpr std::size_t kVortexHeaderBytes = 6;
inline constexpr std::size_t kVortexTaskIdBytes = 64;
inline constexpr std::size_t kVortexRequestValueBytes = kVortexTaskIdBytes + 4;
inline constexpr std::size_t kVortexRequestBytes = kVortexHeaderBytes + kVortexRequestValueBytes;
/// The length field in front of a metadata block, which does not count itself.
inline constexpr std::size_t kVortexMetadataLengthBytes = 4;
/// A metadata block with empty digest and parent id.
inline constexpr std::size_t kVortexMinMetadataBytes = 45;

/// Bounds of `created at`, in seconds since 1970: the calendar of the original's library, years
/// -262143 to 262142.
inline constexpr std::int64_t kVortexMinCreatedAt = -8'334'601'228'800;
inline constexpr std::int64_t kVortexMaxCreatedAt = 8'210'266'876'799;

[[nodiscard]] constexpr VortexTag VortexRequestTag(TaskKind kind) {
  switch (kind) {
    case TaskKind::kStandard:
      return VortexTag::kDownloadPiece;
    case TaskKind::kPersistent:
      return VortexTag::kDownloadPersistentPiece;
    case TaskKind::kPersistentCache:
      return VortexTag::kDownloadPersistentCachePiece;
  }
  return VortexTag::kDownloadPiece;
}

/// The content tag is the one behind the request's.
[[nodiscard]] constexpr VortexTag VortexContentTag(TaskKind kind) {
  return static_cast<VortexTag>(static_cast<std::uint8_t>(VortexRequestTag(kind)) + 1);
}

/// Nothing for tags that are no request, and for cache pieces, which no daemon serves.
[[nodiscard]] constexpr std::optional<TaskKind> VortexRequestKind(VortexTag tag) {
  switch (tag) {
    case VortexTag::kDownloadPiece:
      return TaskKind::kStandard;
    case VortexTag::kDownloadPersistentPiece:
      return TaskKind::kPersistent;
    case VortexTag::kDownloadPersistentCachePiece:
      return TaskKind::kPersistentCache;
    default:
      return std::nullopt;
  }
}

}  // namespace dragonfly
