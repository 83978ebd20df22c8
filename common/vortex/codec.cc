#include "common/vortex/codec.h"

#include <cstring>

#include "common/base/bytes.h"
#include "common/base/utf8.h"

namespace dragonfly {
namespace {

using Bytes = std::span<const std::byte>;
using State = VortexParse::State;

VortexParse Done(std::size_t consumed) { return {.state = State::kDone, .consumed = consumed}; }
VortexParse NeedMore(std::size_t wanted) { return {.state = State::kNeedMore, .wanted = wanted}; }
VortexParse Bad(std::string_view reason) { return {.state = State::kBad, .reason = reason}; }

// Takes fields from the front of a block; a field that does not fit leaves ok() false for good.
class Fields {
 public:
  explicit Fields(Bytes block) : rest_(block) {}

  [[nodiscard]] bool ok() const { return ok_; }

  template <class T>
  T Number() {
    const Bytes bytes = Take(sizeof(T));
    return ok_ ? LoadBigEndian<T>(bytes.data()) : T{};
  }
  std::string_view Text() { return AsText(Take(Number<std::uint32_t>())); }

 private:
  Bytes Take(std::size_t count) {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  Bytes rest_;
  bool ok_ = true;
};

// `block` is the metadata block without its length. What follows `created at` is room for
// extensions.
std::string_view ParseMetadata(Bytes block, VortexMetadata& metadata) {
  Fields fields(block);
  metadata.number = fields.Number<std::uint32_t>();
  metadata.offset = fields.Number<std::uint64_t>();
  metadata.length = fields.Number<std::uint64_t>();
  metadata.digest = fields.Text();
  metadata.parent_id = fields.Text();
  metadata.traffic_type = fields.Number<std::uint8_t>();
  metadata.cost_seconds = fields.Number<std::uint64_t>();
  metadata.created_at_seconds = static_cast<std::int64_t>(fields.Number<std::uint64_t>());
  if (!fields.ok()) return "metadata does not fit its block";
  if (!IsUtf8(metadata.digest)) return "digest is not UTF-8";
  if (!IsUtf8(metadata.parent_id)) return "parent id is not UTF-8";
  if (metadata.created_at_seconds < kVortexMinCreatedAt ||
      metadata.created_at_seconds > kVortexMaxCreatedAt) {
    return "created at is no representable time";
  }
  return {};
}

// `in` begins with the header.
VortexParse ParseRequestValue(Bytes in, std::uint32_t length, VortexRequest& request) {
  if (length != kVortexRequestValueBytes) return Bad("request value is not of 68 bytes");
  if (in.size() < kVortexRequestBytes) return NeedMore(kVortexRequestBytes);
  const Bytes value = in.subspan(kVortexHeaderBytes);
  request.task_id = AsText(value.first(kVortexTaskIdBytes));
  request.number = LoadBigEndian<std::uint32_t>(value.data() + kVortexTaskIdBytes);
  if (!IsUtf8(request.task_id)) return Bad("task id is not UTF-8");
  return Done(kVortexRequestBytes);
}

std::byte* WriteText(std::string_view text, std::byte* out) {
  out = StoreBigEndian(static_cast<std::uint32_t>(text.size()), out);
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

std::byte* WriteHeader(const VortexHeader& header, std::byte* out) {
  *out++ = std::byte{header.id};
  *out++ = static_cast<std::byte>(header.tag);
  return StoreBigEndian(header.length, out);
}

}  // namespace

bool ParseVortexHeader(Bytes in, VortexHeader& header) {
  if (in.size() < kVortexHeaderBytes) return false;
  header.id = std::to_integer<std::uint8_t>(in[0]);
  header.tag = static_cast<VortexTag>(in[1]);
  header.length = LoadBigEndian<std::uint32_t>(in.data() + 2);
  return true;
}

VortexParse VortexParser::ParseContent(Bytes in, VortexMetadata& metadata) const {
  constexpr std::size_t kBlockAt = kVortexHeaderBytes + kVortexMetadataLengthBytes;
  if (in.size() < kBlockAt) return NeedMore(kBlockAt);
  const auto length = LoadBigEndian<std::uint32_t>(in.data() + kVortexHeaderBytes);
  if (length < kVortexMinMetadataBytes) return Bad("metadata block is too short");
  if (length > max_value_bytes_) return Bad("metadata block is too long");
  if (in.size() < kBlockAt + length) return NeedMore(kBlockAt + length);
  const std::string_view reason = ParseMetadata(in.subspan(kBlockAt, length), metadata);
  return reason.empty() ? Done(kBlockAt + length) : Bad(reason);
}

VortexParse VortexParser::ParseError(Bytes in, std::uint32_t length, VortexError& error) const {
  if (length == 0) return Bad("error without a code");
  if (length > max_value_bytes_) return Bad("error is too long");
  const std::size_t frame_bytes = kVortexHeaderBytes + length;
  if (in.size() < frame_bytes) return NeedMore(frame_bytes);
  error.code = static_cast<VortexErrorCode>(in[kVortexHeaderBytes]);
  error.message = AsText(in.subspan(kVortexHeaderBytes + 1, length - 1));
  if (!IsUtf8(error.message)) return Bad("error message is not UTF-8");
  return Done(frame_bytes);
}

VortexParse VortexParser::ParseFrame(Bytes in, VortexFrame& frame) const {
  VortexHeader& header = frame.header;
  if (!ParseVortexHeader(in, header)) return NeedMore(kVortexHeaderBytes);
  switch (header.tag) {
    case VortexTag::kDownloadPiece:
    case VortexTag::kDownloadPersistentPiece:
    case VortexTag::kDownloadPersistentCachePiece:
    case VortexTag::kDownloadCachePiece:
      return ParseRequestValue(in, header.length, frame.value.emplace<VortexRequest>());
    case VortexTag::kPieceContent:
    case VortexTag::kPersistentPieceContent:
    case VortexTag::kPersistentCachePieceContent:
    case VortexTag::kCachePieceContent: {
      constexpr std::size_t kBlockAt = kVortexHeaderBytes + kVortexMetadataLengthBytes;
      if (header.length < kVortexMetadataLengthBytes) return Bad("content value is too short");
      if (in.size() >= kBlockAt && LoadBigEndian<std::uint32_t>(in.data() + kVortexHeaderBytes) !=
                                       header.length - kVortexMetadataLengthBytes) {
        return Bad("metadata block and value differ in length");
      }
      return ParseContent(in, frame.value.emplace<VortexMetadata>());
    }
    case VortexTag::kError:
      return ParseError(in, header.length, frame.value.emplace<VortexError>());
    case VortexTag::kClose:
    default:
      break;
  }
  frame.value.emplace<std::monostate>();
  if (header.length > max_value_bytes_) return Bad("value is too long");
  const std::size_t frame_bytes = kVortexHeaderBytes + header.length;
  return in.size() < frame_bytes ? NeedMore(frame_bytes) : Done(frame_bytes);
}

VortexParse VortexParser::ParseRequest(Bytes in, TaskKind& kind, VortexRequest& request) const {
  VortexHeader header;
  if (!ParseVortexHeader(in, header)) return NeedMore(kVortexHeaderBytes);
  const auto requested = VortexRequestKind(header.tag);
  if (!requested.has_value()) return Bad("tag is not that of a request");
  kind = *requested;
  return ParseRequestValue(in, header.length, request);
}

VortexParse VortexParser::ParseAnswer(Bytes in, TaskKind kind,
                                      std::variant<VortexMetadata, VortexError>& answer) const {
  VortexHeader header;
  if (!ParseVortexHeader(in, header)) return NeedMore(kVortexHeaderBytes);
  if (header.tag == VortexContentTag(kind)) {
    return ParseContent(in, answer.emplace<VortexMetadata>());
  }
  if (header.tag == VortexTag::kError) {
    return ParseError(in, header.length, answer.emplace<VortexError>());
  }
  return Bad("unexpected tag");
}

std::size_t WriteVortexHeader(const VortexHeader& header, std::span<std::byte> out) {
  if (out.size() < kVortexHeaderBytes) return 0;
  WriteHeader(header, out.data());
  return kVortexHeaderBytes;
}

std::size_t WriteVortexRequest(std::uint8_t id, VortexTag tag, const VortexRequest& request,
                               std::span<std::byte> out) {
  if (request.task_id.size() != kVortexTaskIdBytes || out.size() < kVortexRequestBytes) return 0;
  std::byte* next = WriteHeader({id, tag, kVortexRequestValueBytes}, out.data());
  std::memcpy(next, request.task_id.data(), kVortexTaskIdBytes);
  StoreBigEndian(request.number, next + kVortexTaskIdBytes);
  return kVortexRequestBytes;
}

std::size_t WriteVortexContent(std::uint8_t id, VortexTag tag, const VortexMetadata& metadata,
                               std::span<std::byte> out) {
  constexpr std::size_t kBlockAt = kVortexHeaderBytes + kVortexMetadataLengthBytes;
  const std::size_t block =
      kVortexMinMetadataBytes + metadata.digest.size() + metadata.parent_id.size();
  if (out.size() < kBlockAt + block) return 0;
  std::byte* next = WriteHeader(
      {id, tag, static_cast<std::uint32_t>(kVortexMetadataLengthBytes + block)}, out.data());
  next = StoreBigEndian(static_cast<std::uint32_t>(block), next);
  next = StoreBigEndian(metadata.number, next);
  next = StoreBigEndian(metadata.offset, next);
  next = StoreBigEndian(metadata.length, next);
  next = WriteText(metadata.digest, next);
  next = WriteText(metadata.parent_id, next);
  *next++ = std::byte{metadata.traffic_type};
  next = StoreBigEndian(metadata.cost_seconds, next);
  StoreBigEndian(metadata.created_at_seconds, next);
  return kBlockAt + block;
}

std::size_t WriteVortexError(std::uint8_t id, const VortexError& error, std::span<std::byte> out) {
  const std::size_t value = 1 + error.message.size();
  if (out.size() < kVortexHeaderBytes + value) return 0;
  std::byte* next =
      WriteHeader({id, VortexTag::kError, static_cast<std::uint32_t>(value)}, out.data());
  *next++ = static_cast<std::byte>(error.code);
  if (!error.message.empty()) std::memcpy(next, error.message.data(), error.message.size());
  return kVortexHeaderBytes + value;
}

}  // namespace dragonfly
