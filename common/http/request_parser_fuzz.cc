#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/http/request_parser.h"

// The first byte says in which portions the rest arrives.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dragonfly::HttpRequestParser;
  using Result = HttpRequestParser::Result;
  constexpr std::size_t kHeadMax = 4096;
  if (size == 0) return 0;
  const std::size_t portion = std::max<std::size_t>(data[0], 1);
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string buffer;
  HttpRequestParser parser(kHeadMax, 10'000);
  bool head = true;
  std::uint64_t body = 0;
  std::array<std::byte, 7> out{};
  while (true) {
    if (head) {
      const auto step = parser.ParseHead(buffer);
      DF_CHECK(step.consumed <= buffer.size());
      buffer.erase(0, step.consumed);
      if (step.result == Result::kDone) {
        head = false;
        DF_CHECK(!parser.method().empty());
        (void)parser.headers();
        continue;
      }
      if (step.result != Result::kNeedMore) return 0;
      DF_CHECK(buffer.size() <= kHeadMax);
    } else {
      if (parser.complete()) return 0;
      const auto step = parser.ParseBody(buffer, out);
      DF_CHECK(step.consumed <= buffer.size() && step.produced <= out.size());
      buffer.erase(0, step.consumed);
      body += step.produced;
      DF_CHECK(body <= 10'000);
      if (step.result != Result::kNeedMore) return 0;
      if (step.produced > 0) continue;
    }
    if (input.empty()) return 0;
    const std::size_t count = std::min(portion, input.size());
    buffer.append(input.substr(0, count));
    input.remove_prefix(count);
  }
}
