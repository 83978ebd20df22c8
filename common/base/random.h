#pragma once

#include <cstdint>
#include <limits>
#include <random>

namespace dragonfly {

/// Randomness as a parameter: seeded in tests and the simulator, from the system in daemons.
/// Models UniformRandomBitGenerator, so std and Abseil distributions take it. Not thread-safe.
class Random {
 public:
  using result_type = std::uint64_t;

  explicit Random(std::uint64_t seed) : engine_(seed) {}
  /// Seeded from the operating system.
  static Random FromSystem() {
    std::random_device device;
    return Random((static_cast<std::uint64_t>(device()) << 32U) | device());
  }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() { return engine_(); }

  /// Uniform in [0, bound); `bound` must not be 0. Lemire's multiply-shift: the bias is below 2^-32
  /// for every bound that occurs here.
  std::uint64_t Below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(engine_()) * bound) >> 64U);
  }
  /// Uniform in [0, 1).
  double Unit() { return static_cast<double>(engine_() >> 11U) * 0x1.0p-53; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace dragonfly
