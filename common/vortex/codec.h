#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "common/base/types.h"
#include "common/vortex/format.h"

namespace dragonfly {

struct VortexHeader {
  std::uint8_t id = 0;  ///< Any number; nobody compares it.
  VortexTag tag = VortexTag::kClose;
  std::uint32_t length = 0;  ///< Of the value, bytes.
};

// Texts of parsed frames point into the input.

/// Value of the four request tags.
struct VortexRequest {
  std::string_view task_id;  ///< Exactly 64 bytes of UTF-8.
  PieceNumber number = 0;
};

/// Value of the four content tags. The bytes of the piece follow the frame, uncounted.
struct VortexMetadata {
  PieceNumber number = 0;
  std::uint64_t offset = 0;  ///< Of the piece in the content, bytes.
  std::uint64_t length = 0;  ///< Of the piece, bytes.
  std::string_view digest;   ///< `crc32:<decimal>` or empty.
  std::string_view parent_id;
  std::uint8_t traffic_type = static_cast<std::uint8_t>(TrafficType::kRemotePeer);
  std::uint64_t cost_seconds = 0;
  std::int64_t created_at_seconds = 0;  ///< Since 1970.
};

struct VortexError {
  VortexErrorCode code = VortexErrorCode::kUnknown;
  std::string_view message;
};

/// monostate: Close and reserved tags, whose value nobody looks at.
using VortexValue = std::variant<std::monostate, VortexRequest, VortexMetadata, VortexError>;

struct VortexFrame {
  VortexHeader header;
  VortexValue value;
};

/// What a parser says of the bytes it was shown.
struct VortexParse {
  enum class State : std::uint8_t { kDone, kNeedMore, kBad };
  State state = State::kBad;
  std::size_t consumed = 0;  ///< kDone: length of what was parsed, bytes.
  std::size_t wanted = 0;    ///< kNeedMore: ask again with this many bytes, counted from the start.
  std::string_view reason{};  ///< kBad: why, a literal.
};

/// Reads frames. Keeps nothing between calls, so each call gets the bytes from the frame's start.
class VortexParser {
 public:
  static constexpr std::uint32_t kDefaultMaxValueBytes = 64 * 1024;

  /// Values longer than `max_value_bytes` are bad as soon as their length is known.
  explicit VortexParser(std::uint32_t max_value_bytes = kDefaultMaxValueBytes)
      : max_value_bytes_(max_value_bytes) {}

  /// Any frame, by the rules of the original's codec: a content frame's length must be that of its
  /// metadata block.
  VortexParse ParseFrame(std::span<const std::byte> in, VortexFrame& frame) const;

  /// What a server reads: a request of a kind that daemons serve. `wanted` never goes past it.
  VortexParse ParseRequest(std::span<const std::byte> in, TaskKind& kind,
                           VortexRequest& request) const;

  /// What a client reads: the content frame of its kind, whose header length is ignored as in the
  /// original client (implementations differ in what they count), or an error. `wanted` never goes
  /// past the frame, so that the bytes of the piece stay unread.
  VortexParse ParseAnswer(std::span<const std::byte> in, TaskKind kind,
                          std::variant<VortexMetadata, VortexError>& answer) const;

 private:
  VortexParse ParseContent(std::span<const std::byte> in, VortexMetadata& metadata) const;
  VortexParse ParseError(std::span<const std::byte> in, std::uint32_t length,
                         VortexError& error) const;

  const std::uint32_t max_value_bytes_;
};

/// The first six bytes. False when there are fewer.
bool ParseVortexHeader(std::span<const std::byte> in, VortexHeader& header);

// Writers return the number of bytes written to the front of `out`, 0 when it is too small.

std::size_t WriteVortexHeader(const VortexHeader& header, std::span<std::byte> out);

/// 74 bytes. Also 0 when the task id has not exactly 64 bytes.
std::size_t WriteVortexRequest(std::uint8_t id, VortexTag tag, const VortexRequest& request,
                               std::span<std::byte> out);

/// Header and metadata block; the header's length counts these only.
std::size_t WriteVortexContent(std::uint8_t id, VortexTag tag, const VortexMetadata& metadata,
                               std::span<std::byte> out);

std::size_t WriteVortexError(std::uint8_t id, const VortexError& error, std::span<std::byte> out);

}  // namespace dragonfly
