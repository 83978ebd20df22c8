#pragma once

#include <cstdint>

namespace dragonfly::dfdaemon {

/// Whether the region's first and last byte can be had without waiting for the disk. True when the
/// file system does not tell.
[[nodiscard]] bool IsInPageCache(int fd, std::uint64_t offset, std::uint64_t length);

/// Reads the region into the page cache. Blocks.
void ReadIntoPageCacheBlocking(int fd, std::uint64_t offset, std::uint64_t length);

}  // namespace dragonfly::dfdaemon
