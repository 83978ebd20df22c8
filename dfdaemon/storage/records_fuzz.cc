#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/check.h"
#include "common/base/strings.h"
#include "common/sqlite/sqlite.h"
#include "dfdaemon/storage/reload_check.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr int kMaxRows = 64;

// Takes the input apart; gives zeroes at its end.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  std::uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  std::int64_t Long() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8U | Byte();
    return static_cast<std::int64_t>(value);
  }
  // A literal of SQL; SQLite puts any type into any column.
  std::string Value() {
    using Limits = std::numeric_limits<std::int64_t>;
    constexpr std::array<std::int64_t, 8> kEdges = {Limits::min(), Limits::max(), -1,  1LL << 32U,
                                                    1LL << 31U,    1LL << 24U,    256, 3};
    switch (Byte() % 6) {
      case 0:
        return StrCat(static_cast<int>(static_cast<std::int8_t>(Byte())));
      case 1:
        return IntegerText(Long());
      case 2:
        return IntegerText(kEdges[Byte() % kEdges.size()]);
      case 3:
        return "NULL";
      case 4:
        return StrCat("CAST(x'", Hex(Byte() % 80), "' AS TEXT)");
      default:
        return "1.5e300";
    }
  }

 private:
  static std::string IntegerText(std::int64_t value) {
    // The least number cannot be written as the negative of another one.
    return value == std::numeric_limits<std::int64_t>::min() ? "(-9223372036854775807 - 1)"
                                                             : StrCat(value);
  }
  std::string Hex(std::size_t count) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (; count > 0 && !empty(); --count) {
      const std::uint8_t byte = Byte();
      text += kDigits[byte >> 4U];
      text += kDigits[byte & 15U];
    }
    return text;
  }

  std::span<const std::uint8_t> bytes_;
};

std::string Values(Reader& in, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += StrCat(i == 0 ? "" : ",", in.Value());
  return text;
}

// A task whose content file is there as it should be, so that what follows is looked at.
std::string GoodTask(Reader& in, const ReloadFolder& folder, std::int64_t row,
                     std::uint64_t& content_length) {
  const std::string id = StrCat("abc", in.Byte() % 4);
  content_length = in.Byte();
  const int piece_length = 1 + in.Byte() % 64;
  folder.WriteContent(id, std::string(content_length, 'c'));
  return StrCat("INSERT OR REPLACE INTO task VALUES (", row, ",0,'", id, "',", piece_length, ",",
                content_length, ",0,0,1,2,NULL,", in.Value(), ",", in.Value(), ",", in.Byte() % 2,
                ")");
}

void Run(std::span<const std::uint8_t> input) {
  static const GoodStorage& good = *new GoodStorage(GoodStorage::Make());
  const ReloadFolder folder;
  folder.Write(folder.Records(), good.records);
  {
    auto db = SqliteDb::Open(folder.Records());
    DF_CHECK(db.ok());
    DF_CHECK(db->Execute("BEGIN").ok());
    Reader in(input);
    std::int64_t row = 10;
    std::uint64_t content_length = 0;
    for (int i = 0; i < kMaxRows && !in.empty(); ++i) {
      std::string sql;
      switch (in.Byte() % 6) {
        case 0:
          sql = StrCat("INSERT OR REPLACE INTO task VALUES (", Values(in, 13), ")");
          break;
        case 1:
          sql = GoodTask(in, folder, ++row, content_length);
          break;
        case 2:
          sql = StrCat("INSERT OR REPLACE INTO piece VALUES (", row, ",", Values(in, 8), ")");
          break;
        case 3: {
          // Right but for its number, which may lie behind the last one.
          const int number = in.Byte();
          sql = StrCat("INSERT OR REPLACE INTO piece SELECT row,", number, ",", number,
                       " * piece_length, min(piece_length, content_length - ", number,
                       " * piece_length),", in.Value(), ",'',", in.Value(), ",", in.Value(),
                       ",0 FROM task WHERE row = ", row);
          break;
        }
        case 4:
          sql = StrCat("INSERT OR REPLACE INTO response_header VALUES (", Values(in, 4), ")");
          break;
        default:
          sql = StrCat("INSERT OR REPLACE INTO meta VALUES ('",
                       in.Byte() % 2 == 0 ? "boot_id" : "clean", "',", in.Value(), ")");
          break;
      }
      // What the layout refuses cannot be in the file.
      (void)db->Execute(sql.c_str());
    }
    DF_CHECK(db->Execute("COMMIT").ok());
  }
  CheckReload(folder.path());
}

}  // namespace
}  // namespace dragonfly::dfdaemon

// Rows of any content in a database whose file is in order.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dragonfly::dfdaemon::Run({data, size});
  return 0;
}
