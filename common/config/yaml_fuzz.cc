#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/check.h"
#include "common/config/table.h"

namespace dragonfly {
namespace {

struct Item {
  std::string name;
  bool on = false;
};

struct Config {
  std::string text;
  std::uint16_t port = 1;
  std::uint64_t size = 2;
  std::chrono::milliseconds rust{3};
  std::chrono::milliseconds go{4};
  std::optional<std::int64_t> number;
  double real = 0.5;
  std::vector<Item> items;
  std::map<std::string, std::string> map;
  std::vector<std::string> list;
};

ConfigTable<Config> MakeTable() {
  ConfigTable<Item> item;
  item.Field("name", &Item::name, Text{}).Field("on", &Item::on, Flag{});
  ConfigTable<Config> table;
  table.Field("a.text", &Config::text, Text{})
      .Field("a.port", &Config::port, kPort, {.old_paths = {"port"}})
      .Field("size", &Config::size, ByteSize{})
      .Field("rust", &Config::rust, Humantime())
      .Field("go", &Config::go, GoDuration(std::chrono::hours(-1)))
      .Field("number", &Config::number, Optional{Number{}})
      .Field("real", &Config::real, Real{})
      .Field("items", &Config::items, ListOf{item})
      .Field("map", &Config::map, MapOf{Text{}})
      .Field("list", &Config::list, ListOf{Text{}, true});
  return table;
}

void Check(std::string_view text) {
  static const auto& table = *new ConfigTable<Config>(MakeTable());
  const auto root = ParseYaml(text);
  if (!root.ok()) return;
  // What is written is the same tree, whatever is in it.
  const std::string written = EmitYaml(*root);
  const auto again = ParseYaml(written, {.max_bytes = 64U << 20U});
  DF_CHECK(again.ok());
  for (const bool ignore_case : {false, true}) {
    ConfigReport report("fuzz.yaml");
    report.ignore_key_case = ignore_case;
    Config config;
    if (table.Read(*root, report, config).ok()) {
      const auto printed = ParseYaml(table.Print(config), {.max_bytes = 64U << 20U});
      DF_CHECK(printed.ok());
      ConfigReport second("printed.yaml");
      Config same;
      DF_CHECK(table.Read(*printed, second, same).ok());
      DF_CHECK(same.size == config.size && same.rust == config.rust && same.go == config.go);
      DF_CHECK(same.text == config.text && same.map == config.map && same.list == config.list);
    }
  }
}

}  // namespace
}  // namespace dragonfly

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dragonfly::Check(text);
  if (const auto bytes = dragonfly::ParseByteSize(text); bytes.ok()) {
    DF_CHECK(dragonfly::ParseByteSize(dragonfly::FormatByteSize(*bytes)).value() == *bytes);
  }
  if (const auto rust = dragonfly::ParseHumantime(text); rust.ok()) {
    DF_CHECK(dragonfly::ParseHumantime(dragonfly::FormatHumantime(*rust)).value() == *rust);
  }
  if (const auto go = dragonfly::ParseGoDuration(text); go.ok()) {
    DF_CHECK(dragonfly::ParseGoDuration(dragonfly::FormatGoDuration(*go)).value() == *go);
  }
  return 0;
}
