#pragma once

#include <cstdint>

#include "common/base/named_type.h"

namespace dragonfly {

/// 64 lower-case hex digits for nearly all tasks; common/ids has the formulas.
using TaskId = NamedString<struct TaskIdTag>;
/// `<ip>-<hostname>-<uuid>[-seed]`, one per download call.
using PeerId = NamedString<struct PeerIdTag>;
/// `<ip>-<hostname>[-seed]`, one per daemon.
using HostId = NamedString<struct HostIdTag>;

/// Position of a piece in its task, from 0.
using PieceNumber = std::uint32_t;

/// The numbers are common.v2.TaskType's.
enum class TaskKind : std::uint8_t {
  kStandard = 0,
  kPersistent = 1,
  kPersistentCache = 2,
};

/// Where the bytes of a piece came from. The numbers are common.v2.TrafficType's.
enum class TrafficType : std::uint8_t {
  kBackToSource = 0,
  kRemotePeer = 1,
  kLocalPeer = 2,
};

/// The numbers are common.v2.Priority's; kLevel0 means "as the application says, else the default".
enum class Priority : std::uint8_t {
  kLevel0 = 0,
  kLevel1 = 1,
  kLevel2 = 2,
  kLevel3 = 3,
  kLevel4 = 4,
  kLevel5 = 5,
  kLevel6 = 6,
};

/// Half-open byte range [start, start + length) of a whole object.
struct ByteRange {
  std::uint64_t start = 0;
  std::uint64_t length = 0;

  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

}  // namespace dragonfly
