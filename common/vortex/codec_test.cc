#include "common/vortex/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "nlohmann/json.hpp"

namespace dragonfly {
namespace {

using nlohmann::json;
using State = VortexParse::State;

const json& Golden() {
  static const json golden = [] {
    const char* dir = std::getenv("DF_TEST_DATA");
    std::ifstream file(std::string(dir != nullptr ? dir : "tests/golden") + "/vortex-vectors.json");
    return json::parse(file);
  }();
  return golden;
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

void ExpectMetadata(const VortexMetadata& metadata, const json& decoded) {
  EXPECT_EQ(metadata.number, decoded["number"].get<std::uint32_t>());
  EXPECT_EQ(metadata.offset, decoded["offset"].get<std::uint64_t>());
  EXPECT_EQ(metadata.length, decoded["length"].get<std::uint64_t>());
  EXPECT_EQ(metadata.digest, decoded["digest"].get<std::string>());
  EXPECT_EQ(metadata.parent_id, decoded["parent_id"].get<std::string>());
  EXPECT_EQ(metadata.traffic_type, decoded["traffic_type"].get<std::uint8_t>());
  EXPECT_EQ(metadata.cost_seconds, decoded["cost_seconds"].get<std::uint64_t>());
  EXPECT_EQ(metadata.created_at_seconds, decoded["created_at_unix"].get<std::int64_t>());
}

void ExpectValue(const VortexValue& value, const json& decoded) {
  if (const auto* request = std::get_if<VortexRequest>(&value)) {
    EXPECT_EQ(request->task_id, decoded["task_id"].get<std::string>());
    EXPECT_EQ(request->number, decoded["piece_number"].get<std::uint32_t>());
  } else if (const auto* metadata = std::get_if<VortexMetadata>(&value)) {
    ExpectMetadata(*metadata, decoded);
  } else if (const auto* error = std::get_if<VortexError>(&value)) {
    EXPECT_EQ(static_cast<int>(error->code), decoded["code"].get<int>());
    EXPECT_EQ(error->message, decoded["message"].get<std::string>());
  } else {
    EXPECT_FALSE(decoded.contains("task_id") || decoded.contains("digest") ||
                 decoded.contains("code"));
  }
}

std::string Write(const VortexFrame& frame) {
  std::vector<std::byte> out(64 * 1024 + 16);
  std::size_t size = 0;
  if (const auto* request = std::get_if<VortexRequest>(&frame.value)) {
    size = WriteVortexRequest(frame.header.id, frame.header.tag, *request, out);
  } else if (const auto* metadata = std::get_if<VortexMetadata>(&frame.value)) {
    size = WriteVortexContent(frame.header.id, frame.header.tag, *metadata, out);
  } else if (const auto* error = std::get_if<VortexError>(&frame.value)) {
    size = WriteVortexError(frame.header.id, *error, out);
  } else {
    size = WriteVortexHeader(frame.header, out);
  }
  return std::string(AsText(std::span(out).first(size)));
}

TEST(VortexCodecTest, ReadsAndWritesEveryRecordedFrame) {
  std::set<int> decode_only;
  for (const json& n : Golden()["verified"]["decode_only"]["vectors"])
    decode_only.insert(n.get<int>());
  int frames = 0;
  for (const json& vector : Golden()["vectors"]) {
    const json& decoded = vector["decoded"];
    const std::string bytes = FromHex(vector["hex"]);
    if (!vector["valid"].get<bool>()) continue;
    SCOPED_TRACE(vector["n"].dump() + " " + vector["name"].get<std::string>());
    ++frames;
    VortexFrame frame;
    const bool header_only = vector["name"].get<std::string>().starts_with("header only");
    if (header_only) {
      ASSERT_TRUE(ParseVortexHeader(AsBytes(bytes), frame.header));
      EXPECT_EQ(Write(frame), bytes);
    } else {
      const VortexParse parse = VortexParser().ParseFrame(AsBytes(bytes), frame);
      ASSERT_EQ(parse.state, State::kDone) << parse.reason;
      EXPECT_EQ(bytes.substr(parse.consumed), decoded.value("content_utf8", ""));
      ExpectValue(frame.value, decoded);
      if (!decode_only.contains(vector["n"].get<int>()))
        EXPECT_EQ(Write(frame), bytes.substr(0, parse.consumed));
    }
    EXPECT_EQ(frame.header.id, decoded["id"].get<std::uint8_t>());
    EXPECT_EQ(static_cast<int>(frame.header.tag), decoded["tag"].get<int>());
    EXPECT_EQ(frame.header.length, decoded["value_length"].get<std::uint32_t>());
  }
  EXPECT_EQ(frames, 34);
}

TEST(VortexCodecTest, RefusesEveryRecordedMalformedFrame) {
  // These are the front of a frame that could still become valid.
  const std::set<int> unfinished = {26, 27, 30, 47, 48};
  int frames = 0;
  for (const json& vector : Golden()["vectors"]) {
    if (vector["valid"].get<bool>()) continue;
    SCOPED_TRACE(vector["n"].dump() + " " + vector["name"].get<std::string>());
    ++frames;
    const std::string bytes = FromHex(vector["hex"]);
    VortexFrame frame;
    const VortexParse parse = VortexParser().ParseFrame(AsBytes(bytes), frame);
    if (unfinished.contains(vector["n"].get<int>())) {
      EXPECT_EQ(parse.state, State::kNeedMore);
      EXPECT_GT(parse.wanted, bytes.size());
    } else {
      EXPECT_EQ(parse.state, State::kBad);
      EXPECT_FALSE(parse.reason.empty());
    }
  }
  EXPECT_EQ(frames, 28);
}

TEST(VortexCodecTest, MakesOfRecordedAnswersWhatTheOriginalClientDoes) {
  int answers = 0;
  for (const json& exchange : Golden()["exchanges"]) {
    if (exchange["side"] != "client") continue;
    SCOPED_TRACE(exchange["n"].dump() + " " + exchange["name"].get<std::string>());
    ++answers;
    const json& expect = exchange["expect"];
    const std::string kind_name = exchange["input"]["kind"];
    const TaskKind kind = kind_name == "standard"     ? TaskKind::kStandard
                          : kind_name == "persistent" ? TaskKind::kPersistent
                                                      : TaskKind::kPersistentCache;
    std::byte request[kVortexRequestBytes];
    const std::string task_id = exchange["input"]["task_id"];
    ASSERT_EQ(
        WriteVortexRequest(9, VortexRequestTag(kind),
                           {task_id, exchange["input"]["number"].get<PieceNumber>()}, request),
        kVortexRequestBytes);
    EXPECT_EQ(AsText(std::span(request).subspan(1)), FromHex(exchange["request_hex_after_id"]));

    const std::string bytes = FromHex(exchange["input"]["answer_hex"]);
    std::variant<VortexMetadata, VortexError> answer;
    const VortexParse parse = VortexParser().ParseAnswer(AsBytes(bytes), kind, answer);
    const auto* metadata = std::get_if<VortexMetadata>(&answer);
    const bool ok = parse.state == State::kDone && metadata != nullptr;
    ASSERT_EQ(ok, expect["ok"].get<bool>()) << parse.reason;
    if (!ok) continue;
    EXPECT_EQ(metadata->offset, expect["offset"].get<std::uint64_t>());
    EXPECT_EQ(metadata->digest, expect["digest"].get<std::string>());
    EXPECT_EQ(bytes.substr(parse.consumed), FromHex(expect["content_hex"]));
  }
  EXPECT_EQ(answers, 20);
}

TEST(VortexCodecTest, ToldOnlyPartsAsksForExactlyTheRest) {
  for (const json& vector : Golden()["vectors"]) {
    VortexFrame frame;
    const std::string bytes = FromHex(vector["hex"]);
    const VortexParse whole = VortexParser().ParseFrame(AsBytes(bytes), frame);
    if (whole.state != State::kDone) continue;
    SCOPED_TRACE(vector["n"].dump());
    for (std::size_t size = 0; size < whole.consumed; ++size) {
      const VortexParse part = VortexParser().ParseFrame(AsBytes(bytes).first(size), frame);
      ASSERT_EQ(part.state, State::kNeedMore);
      EXPECT_GT(part.wanted, size);
      EXPECT_LE(part.wanted, whole.consumed);
    }
  }
}

TEST(VortexCodecTest, LimitsWhatAPeerMayAnnounce) {
  const VortexParser parser(100);
  std::byte out[256];
  VortexFrame frame;
  const std::string text(200, 'x');
  const auto parse = [&](std::size_t size) {
    EXPECT_GT(size, 0U);
    return parser.ParseFrame(std::span(out).first(std::min<std::size_t>(size, 10)), frame).state;
  };
  EXPECT_EQ(parse(WriteVortexError(0, {VortexErrorCode::kInternal, text}, out)), State::kBad);
  VortexMetadata metadata;
  metadata.digest = std::string_view(text).substr(0, 56);
  EXPECT_EQ(parse(WriteVortexContent(0, VortexTag::kPieceContent, metadata, out)), State::kBad);
  EXPECT_EQ(parse(WriteVortexHeader({0, VortexTag::kClose, 101}, out)), State::kBad);
  metadata.digest = metadata.digest.substr(1);
  EXPECT_EQ(parse(WriteVortexContent(0, VortexTag::kPieceContent, metadata, out)),
            State::kNeedMore);
}

TEST(VortexCodecTest, ServersTakeOnlyRequestsThatDaemonsServe) {
  const std::string id(64, 'a');
  std::byte out[kVortexRequestBytes];
  for (int tag = 0; tag < 256; ++tag) {
    ASSERT_EQ(WriteVortexRequest(1, static_cast<VortexTag>(tag), {id, 7}, out), sizeof(out));
    TaskKind kind{};
    VortexRequest request;
    const VortexParse parse = VortexParser().ParseRequest(out, kind, request);
    if (tag == 0 || tag == 2 || tag == 4) {
      ASSERT_EQ(parse.state, State::kDone);
      EXPECT_EQ(static_cast<int>(kind), tag / 2);
      EXPECT_EQ(request.task_id, id);
      EXPECT_EQ(request.number, 7U);
    } else {
      EXPECT_EQ(parse.state, State::kBad) << tag;
    }
  }
}

TEST(VortexCodecTest, RefusesToWriteWhatDoesNotFit) {
  std::byte out[kVortexRequestBytes];
  const std::string id(64, 'a');
  const std::span<std::byte> small = std::span(out).first(kVortexRequestBytes - 1);
  EXPECT_EQ(WriteVortexRequest(0, VortexTag::kDownloadPiece, {id, 0}, small), 0U);
  EXPECT_EQ(WriteVortexRequest(0, VortexTag::kDownloadPiece, {id + "b", 0}, out), 0U);
  EXPECT_EQ(WriteVortexContent(0, VortexTag::kPieceContent, {}, small.first(54)), 0U);
  EXPECT_EQ(WriteVortexContent(0, VortexTag::kPieceContent, {}, small.first(55)), 55U);
  EXPECT_EQ(WriteVortexError(0, {VortexErrorCode::kNotFound, id}, small.first(70)), 0U);
  EXPECT_EQ(WriteVortexHeader({}, small.first(5)), 0U);
}

}  // namespace
}  // namespace dragonfly
