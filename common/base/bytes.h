#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace dragonfly {

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads sizeof(T) bytes, most significant first. The caller has checked that they are there.
template <class T>
constexpr T LoadBigEndian(const std::byte* in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = (value << 8U) | std::to_integer<std::uint64_t>(in[i]);
  }
  return static_cast<T>(value);
}

/// Writes sizeof(T) bytes, most significant first, and returns the position behind them.
template <class T>
constexpr std::byte* StoreBigEndian(T value, std::byte* out) {
  const auto bits = static_cast<std::uint64_t>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out[i] = static_cast<std::byte>(bits >> (8U * (sizeof(T) - 1 - i)));
  }
  return out + sizeof(T);
}

/// Writes sizeof(T) bytes, least significant first, and returns the position behind them.
template <class T>
constexpr std::byte* StoreLittleEndian(T value, std::byte* out) {
  const auto bits = static_cast<std::uint64_t>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i) out[i] = static_cast<std::byte>(bits >> (8U * i));
  return out + sizeof(T);
}

}  // namespace dragonfly
