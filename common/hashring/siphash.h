#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dragonfly {

/// SipHash-2-4 with an all-zero key, 64 bits: what Rust's hash rings sort their points by. Not for
/// hash tables that strangers fill.
[[nodiscard]] std::uint64_t SipHash24(std::span<const std::byte> bytes);

}  // namespace dragonfly
