#include "common/ids/ids.h"

#include "common/base/strings.h"

namespace dragonfly {

HostId MakeHostId(std::string_view ip, std::string_view hostname, bool is_seed) {
  return HostId(StrCat(ip, "-", hostname, is_seed ? "-seed" : ""));
}

PeerId MakePeerId(std::string_view ip, std::string_view hostname, bool is_seed,
                  std::string_view uuid) {
  return PeerId(StrCat(ip, "-", hostname, "-", uuid, is_seed ? "-seed" : ""));
}

PeerId MakePeerId(std::string_view ip, std::string_view hostname, bool is_seed, Random& random) {
  return MakePeerId(ip, hostname, is_seed, MakeUuidV4(random));
}

std::string MakeUuidV4(Random& random) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  // RFC 9562: four bits of version, two bits of variant, the rest random.
  const std::uint64_t high = (random() & 0xffffffffffff0fffULL) | 0x4000ULL;
  const std::uint64_t low = (random() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
  std::string uuid;
  for (unsigned i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) uuid += '-';
    const std::uint64_t half = i < 16 ? high : low;
    uuid += kDigits[(half >> (60U - 4U * (i % 16))) & 0xfU];
  }
  return uuid;
}

std::string MakePieceId(const TaskId& task_id, PieceNumber number) {
  return StrCat(task_id.str(), "-", number);
}

HostId MakeHostIdV1(std::string_view hostname, std::uint16_t port) {
  return HostId(StrCat(hostname, "-", port));
}

PeerId MakePeerIdV1(std::string_view ip, std::int64_t pid, std::string_view uuid, bool is_seed) {
  return PeerId(StrCat(ip, "-", pid, "-", uuid, is_seed ? "_Seed" : ""));
}

}  // namespace dragonfly
