#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/random.h"
#include "common/base/types.h"

namespace dragonfly {

/// `<ip>-<hostname>`, with `-seed` behind it on a seed peer. Nothing is escaped and empty parts stay.
[[nodiscard]] HostId MakeHostId(std::string_view ip, std::string_view hostname, bool is_seed);

/// `<ip>-<hostname>-<uuid>`, with `-seed` behind it on a seed peer. A new one for every download.
[[nodiscard]] PeerId MakePeerId(std::string_view ip, std::string_view hostname, bool is_seed,
                                std::string_view uuid);
[[nodiscard]] PeerId MakePeerId(std::string_view ip, std::string_view hostname, bool is_seed,
                                Random& random);

/// A random (version 4) UUID in lower case.
[[nodiscard]] std::string MakeUuidV4(Random& random);

/// `<task id>-<number>`: the key of a piece's metadata.
[[nodiscard]] std::string MakePieceId(const TaskId& task_id, PieceNumber number);

/// Ids of the retired API v1: `<hostname>-<port>`, `<ip>-<pid>-<uuid>` with `_Seed` on a seed peer.
[[nodiscard]] HostId MakeHostIdV1(std::string_view hostname, std::uint16_t port);
[[nodiscard]] PeerId MakePeerIdV1(std::string_view ip, std::int64_t pid, std::string_view uuid,
                                  bool is_seed);

}  // namespace dragonfly
