#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace dragonfly {

// Three rings that every daemon of a cluster must agree on, or peers of one task do not find each
// other. A ring is immutable; its answers are indexes into the list it was made from. The order of
// that list does not matter, except for members that share a point.

/// An IP address and port as the rings hash it.
struct RingAddress {
  std::array<std::uint8_t, 16> ip{};  // An IPv4 address uses the first four bytes.
  bool is_v6 = false;
  std::uint16_t port = 0;

  /// `1.2.3.4:80` or `[2001:db8::1]:80`. InvalidArgument for names, zones and anything else.
  [[nodiscard]] static absl::StatusOr<RingAddress> Parse(std::string_view text);

  friend bool operator==(const RingAddress&, const RingAddress&) = default;
};

/// The bytes that stand for an address on a ring: variant as a 64-bit number, address, port in little
/// endian, and two zero 32-bit numbers (flow and scope) for IPv6.
[[nodiscard]] std::vector<std::byte> RingBytes(const RingAddress& address);

/// Sorted points; the first point at or after a key owns it, the lowest one owns the rest.
class HashRing {
 public:
  struct Point {
    std::uint64_t hash = 0;
    std::size_t member = 0;
    std::uint32_t replica = 0;
  };

  HashRing() = default;
  explicit HashRing(std::vector<Point> points);

  /// Nothing when the ring is empty.
  [[nodiscard]] std::optional<Point> AtOrAfter(std::uint64_t key) const;
  [[nodiscard]] std::optional<Point> After(std::uint64_t key) const;

 private:
  std::vector<Point> points_;
};

/// Which scheduler a daemon registers a task with: one point per scheduler, key = first five bytes
/// of the task id. The ring of the crate hashring 0.3.6.
class SchedulerRing {
 public:
  static constexpr std::size_t kKeyBytes = 5;

  explicit SchedulerRing(std::span<const RingAddress> schedulers);

  /// InvalidArgument for an id of fewer than five bytes, Unavailable when there is no scheduler.
  [[nodiscard]] absl::StatusOr<std::size_t> Pick(std::string_view task_id) const;

 private:
  HashRing ring_;
};

/// Which seed peer a scheduler triggers for a task: twenty points per member, CRC-32, key = the whole
/// task id. The ring of stathat.com/c/consistent 1.0.0.
class SeedRing {
 public:
  static constexpr std::uint32_t kReplicas = 20;

  /// Members as `ip:port` of the upload port. Schedulers up to 2.4 write IPv6 without brackets (and
  /// cannot use it); later ones with brackets.
  explicit SeedRing(std::span<const std::string> members);

  /// Unavailable when there is no seed peer.
  [[nodiscard]] absl::StatusOr<std::size_t> Pick(std::string_view task_id) const;

 private:
  HashRing ring_;
};

/// Which seed peer the request SDK sends a task to: three points per member, key = the whole task id.
class SdkRing {
 public:
  static constexpr std::uint32_t kReplicas = 3;

  struct Choice {
    std::size_t member = 0;
    std::uint32_t replica = 0;
  };

  /// Points by address, as SDKs of client 1.2.
  [[nodiscard]] static SdkRing ByAddress(std::span<const RingAddress> members);
  /// Points by host name, as SDKs of client 1.5.
  [[nodiscard]] static SdkRing ByName(std::span<const std::string> members);

  /// Unavailable when there is no seed peer.
  [[nodiscard]] absl::StatusOr<Choice> Pick(std::string_view task_id) const;

 private:
  explicit SdkRing(HashRing ring) : ring_(std::move(ring)) {}

  HashRing ring_;
};

/// Position of a text on a Rust ring: SipHash of its bytes and a closing 0xff.
[[nodiscard]] std::uint64_t RingHash(std::string_view text);

}  // namespace dragonfly
