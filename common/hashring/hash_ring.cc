#include "common/hashring/hash_ring.h"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>

#include "absl/status/status.h"
#include "common/base/bytes.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "common/hashring/siphash.h"

namespace dragonfly {
namespace {

void AppendLittleEndian64(std::uint64_t value, std::vector<std::byte>& out) {
  out.resize(out.size() + sizeof(value));
  StoreLittleEndian(value, &out[out.size() - sizeof(value)]);
}

std::vector<std::byte> TextBytes(std::string_view text) {
  const auto bytes = AsBytes(text);
  std::vector<std::byte> result(bytes.begin(), bytes.end());
  result.push_back(std::byte{0xff});
  return result;
}

HashRing MakeSdkRing(std::span<const std::vector<std::byte>> members) {
  std::vector<HashRing::Point> points;
  for (std::size_t member = 0; member < members.size(); ++member) {
    for (std::uint32_t replica = 0; replica < SdkRing::kReplicas; ++replica) {
      std::vector<std::byte> bytes;
      AppendLittleEndian64(replica, bytes);
      bytes.insert(bytes.end(), members[member].begin(), members[member].end());
      points.push_back({SipHash24(bytes), member, replica});
    }
  }
  return HashRing(std::move(points));
}

}  // namespace

absl::StatusOr<RingAddress> RingAddress::Parse(std::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError("not an address of the form ip:port");
  RingAddress result;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size()) return bad;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    result.is_v6 = true;
    host = host.substr(1, host.size() - 2);
  }
  // inet_pton wants a terminated text.
  if (inet_pton(result.is_v6 ? AF_INET6 : AF_INET, std::string(host).c_str(), result.ip.data()) != 1) {
    return bad;
  }
  return result;
}

std::vector<std::byte> RingBytes(const RingAddress& address) {
  std::vector<std::byte> bytes;
  AppendLittleEndian64(address.is_v6 ? 1 : 0, bytes);
  const auto ip = std::as_bytes(std::span(address.ip)).first(address.is_v6 ? 16 : 4);
  bytes.insert(bytes.end(), ip.begin(), ip.end());
  bytes.push_back(static_cast<std::byte>(address.port & 0xffU));
  bytes.push_back(static_cast<std::byte>(address.port >> 8U));
  if (address.is_v6) AppendLittleEndian64(0, bytes);
  return bytes;
}

HashRing::HashRing(std::vector<Point> points) : points_(std::move(points)) {
  std::stable_sort(points_.begin(), points_.end(),
                   [](const Point& a, const Point& b) { return a.hash < b.hash; });
}

std::optional<HashRing::Point> HashRing::AtOrAfter(std::uint64_t key) const {
  if (points_.empty()) return std::nullopt;
  const auto found =
      std::lower_bound(points_.begin(), points_.end(), key,
                       [](const Point& point, std::uint64_t value) { return point.hash < value; });
  return found == points_.end() ? points_.front() : *found;
}

std::optional<HashRing::Point> HashRing::After(std::uint64_t key) const {
  if (points_.empty()) return std::nullopt;
  const auto found =
      std::upper_bound(points_.begin(), points_.end(), key,
                       [](std::uint64_t value, const Point& point) { return value < point.hash; });
  return found == points_.end() ? points_.front() : *found;
}

std::uint64_t RingHash(std::string_view text) { return SipHash24(TextBytes(text)); }

SchedulerRing::SchedulerRing(std::span<const RingAddress> schedulers) {
  std::vector<HashRing::Point> points;
  for (std::size_t member = 0; member < schedulers.size(); ++member) {
    points.push_back({SipHash24(RingBytes(schedulers[member])), member, 0});
  }
  ring_ = HashRing(std::move(points));
}

absl::StatusOr<std::size_t> SchedulerRing::Pick(std::string_view task_id) const {
  if (task_id.size() < kKeyBytes) {
    return absl::InvalidArgumentError("task id is too short to choose a scheduler");
  }
  const auto point = ring_.AtOrAfter(RingHash(task_id.substr(0, kKeyBytes)));
  if (!point.has_value()) return absl::UnavailableError("no scheduler available");
  return point->member;
}

SeedRing::SeedRing(std::span<const std::string> members) {
  std::vector<HashRing::Point> points;
  for (std::size_t member = 0; member < members.size(); ++member) {
    for (std::uint32_t replica = 0; replica < kReplicas; ++replica) {
      points.push_back({Crc32(0, AsBytes(StrCat(replica, members[member]))), member, replica});
    }
  }
  // Of members that share a point the original keeps the last one added.
  std::reverse(points.begin(), points.end());
  std::stable_sort(points.begin(), points.end(),
                   [](const auto& a, const auto& b) { return a.hash < b.hash; });
  const auto duplicates = std::unique(points.begin(), points.end(),
                                      [](const auto& a, const auto& b) { return a.hash == b.hash; });
  points.erase(duplicates, points.end());
  ring_ = HashRing(std::move(points));
}

absl::StatusOr<std::size_t> SeedRing::Pick(std::string_view task_id) const {
  const auto point = ring_.After(Crc32(0, AsBytes(task_id)));
  if (!point.has_value()) return absl::UnavailableError("no seed peer available");
  return point->member;
}

SdkRing SdkRing::ByAddress(std::span<const RingAddress> members) {
  std::vector<std::vector<std::byte>> bytes;
  for (const RingAddress& member : members) bytes.push_back(RingBytes(member));
  return SdkRing(MakeSdkRing(bytes));
}

SdkRing SdkRing::ByName(std::span<const std::string> members) {
  std::vector<std::vector<std::byte>> bytes;
  for (const std::string& member : members) bytes.push_back(TextBytes(member));
  return SdkRing(MakeSdkRing(bytes));
}

absl::StatusOr<SdkRing::Choice> SdkRing::Pick(std::string_view task_id) const {
  const auto point = ring_.AtOrAfter(RingHash(task_id));
  if (!point.has_value()) return absl::UnavailableError("no seed peer available");
  return Choice{point->member, point->replica};
}

}  // namespace dragonfly
