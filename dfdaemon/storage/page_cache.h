#pragma once

#include <cstdint>

namespace dragonfly::dfdaemon {

// What sends content to the network asks here first: a thread of `data` that waits for the disk
// holds up every connection it serves.

/// Whether the first and the last byte of the region can be had without waiting for the disk. True
/// when the file system does not tell, and for no bytes.
[[nodiscard]] bool IsInPageCache(int fd, std::uint64_t offset, std::uint64_t length);

/// Reads the region into the page cache, and has the kernel begin with `ahead` bytes behind it.
/// Blocks. Errors show when the bytes are sent.
void ReadIntoPageCacheBlocking(int fd, std::uint64_t offset, std::uint64_t length,
                               std::uint64_t ahead = 0);

}  // namespace dragonfly::dfdaemon
