#include "common/hashring/siphash.h"

#include <bit>

namespace dragonfly {
namespace {

struct State {
  // The four constants of the algorithm, each XORed with half of the (zero) key.
  std::uint64_t v0 = 0x736f6d6570736575;
  std::uint64_t v1 = 0x646f72616e646f6d;
  std::uint64_t v2 = 0x6c7967656e657261;
  std::uint64_t v3 = 0x7465646279746573;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void Absorb(std::uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

}  // namespace

std::uint64_t SipHash24(std::span<const std::byte> bytes) {
  State state;
  // The last word has the length in its top byte and what is left of the input below.
  std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56U;
  while (bytes.size() >= 8) {
    std::uint64_t word = 0;
    for (unsigned i = 0; i < 8; ++i) {
      word |= std::to_integer<std::uint64_t>(bytes[i]) << (8U * i);
    }
    state.Absorb(word);
    bytes = bytes.subspan(8);
  }
  for (unsigned i = 0; i < bytes.size(); ++i) {
    last |= std::to_integer<std::uint64_t>(bytes[i]) << (8U * i);
  }
  state.Absorb(last);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace dragonfly
