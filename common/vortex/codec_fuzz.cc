#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "common/base/check.h"
#include "common/vortex/codec.h"

namespace dragonfly {
namespace {

using Bytes = std::span<const std::byte>;
using State = VortexParse::State;

// What a parser says must hold for any input, and must not depend on how the bytes arrive.
template <class Parse>
void Check(Bytes in, Parse parse) {
  const VortexParse whole = parse(in);
  if (whole.state == State::kDone) {
    DF_CHECK(whole.consumed <= in.size());
    DF_CHECK(parse(in.first(whole.consumed)).state == State::kDone);
    DF_CHECK(parse(in.first(whole.consumed - 1)).state == State::kNeedMore);
  }
  // A reader that follows `wanted` ends where one does that has everything at once.
  std::size_t have = 0;
  while (true) {
    const VortexParse part = parse(in.first(have));
    if (part.state != State::kNeedMore) {
      DF_CHECK(part.state == whole.state);
      DF_CHECK(part.state == State::kBad || part.consumed == have);
      return;
    }
    DF_CHECK(part.wanted > have);
    if (part.wanted > in.size()) {
      DF_CHECK(whole.state == State::kNeedMore);
      return;
    }
    have = part.wanted;
  }
}

void CheckWrittenAgain(Bytes in) {
  VortexFrame frame;
  const VortexParse parse = VortexParser().ParseFrame(in, frame);
  if (parse.state != State::kDone) return;
  std::vector<std::byte> out(parse.consumed);
  std::size_t size = 0;
  if (const auto* request = std::get_if<VortexRequest>(&frame.value)) {
    size = WriteVortexRequest(frame.header.id, frame.header.tag, *request, out);
  } else if (const auto* metadata = std::get_if<VortexMetadata>(&frame.value)) {
    // Shorter than what came when the block had bytes at its end that nobody knows.
    size = WriteVortexContent(frame.header.id, frame.header.tag, *metadata, out);
    VortexFrame again;
    DF_CHECK(VortexParser().ParseFrame(std::span(out).first(size), again).state == State::kDone);
    return;
  } else if (const auto* error = std::get_if<VortexError>(&frame.value)) {
    size = WriteVortexError(frame.header.id, *error, out);
  } else {
    return;
  }
  DF_CHECK(size == parse.consumed);
  DF_CHECK(std::equal(out.begin(), out.end(), in.begin()));
}

}  // namespace
}  // namespace dragonfly

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dragonfly;
  // A copy of exactly the size, so that AddressSanitizer sees a read behind its end.
  const std::vector<std::byte> copy(reinterpret_cast<const std::byte*>(data),
                                    reinterpret_cast<const std::byte*>(data) + size);
  const Bytes in(copy);
  const VortexParser parser(1024);
  Check(in, [&](Bytes bytes) {
    VortexFrame frame;
    return parser.ParseFrame(bytes, frame);
  });
  Check(in, [&](Bytes bytes) {
    TaskKind kind{};
    VortexRequest request;
    return parser.ParseRequest(bytes, kind, request);
  });
  for (const TaskKind kind :
       {TaskKind::kStandard, TaskKind::kPersistent, TaskKind::kPersistentCache}) {
    Check(in, [&](Bytes bytes) {
      std::variant<VortexMetadata, VortexError> answer;
      return parser.ParseAnswer(bytes, kind, answer);
    });
  }
  CheckWrittenAgain(in);
  return 0;
}
