#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/rpc/pb.h"
#include "scheduler.pb.h"

namespace dragonfly::bench {

/// Names and messages as a dfdaemon writes them: lengths count, they are what travels and is kept.
[[nodiscard]] std::string HostName(std::size_t number);
[[nodiscard]] std::string HostIdOf(std::size_t number);
[[nodiscard]] std::string TaskIdOf(std::uint64_t number);
[[nodiscard]] std::string PeerIdOf(std::size_t host, std::uint64_t number);

inline constexpr std::uint64_t kPieceLength = 4U << 20U;
inline constexpr std::uint32_t kPieceCount = 256;

/// Everything a daemon announces, about 500 bytes.
[[nodiscard]] pb::common::Host SomeHost(std::size_t number);
/// What it registers with: 1 GiB in pieces of 4 MiB.
void FillDownload(std::uint64_t task, pb::common::Download& download);
/// `parent` is empty for a piece from the source.
void FillPiece(std::uint32_t number, const std::string& parent, pb::common::Piece& piece);
/// The answer with three parents, about as long as the scheduler's.
[[nodiscard]] pb::scheduler::AnnouncePeerResponse ThreeParents();

}  // namespace dragonfly::bench
