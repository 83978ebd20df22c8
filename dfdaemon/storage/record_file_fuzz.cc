#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dfdaemon/storage/reload_check.h"

namespace dragonfly::dfdaemon {
namespace {

enum class Part : std::uint8_t {
  kFile,     // The rest is storage.db.
  kLog,      // The rest lies beside a good storage.db as its write-ahead log.
  kJournal,  // The same as its rollback journal.
  kPatches,  // Every three bytes change one byte of a good storage.db: offset (big endian), value.
};

std::string Patched(std::string records, std::string_view patches) {
  for (; patches.size() >= 3; patches.remove_prefix(3)) {
    const auto high = static_cast<std::uint8_t>(patches[0]);
    const auto low = static_cast<std::uint8_t>(patches[1]);
    const std::size_t at = static_cast<std::size_t>(high) << 8U | low;
    if (at < records.size()) records[at] = patches[2];
  }
  return records;
}

void Run(Part part, std::string_view rest) {
  static const GoodStorage& good = *new GoodStorage(GoodStorage::Make());
  const ReloadFolder folder;
  for (const auto& content : good.contents) folder.WriteContent(content.id, content.bytes);
  switch (part) {
    case Part::kFile:
      folder.Write(folder.Records(), rest);
      break;
    case Part::kLog:
      folder.Write(folder.Records(), good.records);
      folder.Write(folder.Records("-wal"), rest);
      break;
    case Part::kJournal:
      folder.Write(folder.Records(), good.records);
      folder.Write(folder.Records("-journal"), rest);
      break;
    case Part::kPatches:
      folder.Write(folder.Records(), Patched(good.records, rest));
      break;
  }
  CheckReload(folder.path());
}

}  // namespace
}  // namespace dragonfly::dfdaemon

// The first byte says what the rest is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dragonfly::dfdaemon::Part;
  if (size == 0) return 0;
  dragonfly::dfdaemon::Run(static_cast<Part>(data[0] % 4),
                           {reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}
