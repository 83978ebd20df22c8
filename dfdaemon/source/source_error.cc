#include <string>
#include <string_view>

#include "absl/strings/cord.h"
#include "common/base/bytes.h"
#include "common/base/strings.h"
#include "common/http/headers.h"
#include "dfdaemon/source/source.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::string_view kPayloadUrl = "dragonfly/source-error";

// The payload stays in the process: fields one after the other, texts behind their length.
class Encoder {
 public:
  void Put(std::uint32_t number) {
    std::byte bytes[sizeof(number)];
    StoreBigEndian(number, bytes);
    out_.append(AsText(bytes));
  }
  void Put(std::string_view text) {
    Put(static_cast<std::uint32_t>(text.size()));
    out_.append(text);
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  bool Get(std::uint32_t& number) {
    if (in_.size() < sizeof(number)) return false;
    number = LoadBigEndian<std::uint32_t>(AsBytes(in_).data());
    in_.remove_prefix(sizeof(number));
    return true;
  }
  bool Get(std::string& text) {
    std::uint32_t size = 0;
    if (!Get(size) || in_.size() < size) return false;
    text = in_.substr(0, size);
    in_.remove_prefix(size);
    return true;
  }

 private:
  std::string_view in_;
};

absl::StatusCode CodeOf(const std::optional<int>& status_code) {
  if (!status_code || *status_code == 408) return absl::StatusCode::kUnavailable;
  if (*status_code >= 500 && *status_code < 600) return absl::StatusCode::kUnavailable;
  switch (*status_code) {
    case 404:
    case 410:
      return absl::StatusCode::kNotFound;
    case 401:
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status SourceError(absl::StatusCode code, SourceErrorInfo info) {
  absl::Status status(code, info.message);
  Encoder encoder;
  encoder.Put(std::string_view(info.message));
  encoder.Put(static_cast<std::uint32_t>(info.status_code.value_or(0)));
  encoder.Put(static_cast<std::uint32_t>(info.headers.size()));
  for (const auto& [name, value] : info.headers) {
    encoder.Put(std::string_view(name));
    encoder.Put(std::string_view(value));
  }
  // Not from the string itself: clang names that constructor otherwise than the library's compiler.
  status.SetPayload(ToAbsl(kPayloadUrl), absl::Cord(ToAbsl(encoder.Take())));
  return status;
}

absl::Status SourceError(SourceErrorInfo info) {
  const absl::StatusCode code = CodeOf(info.status_code);
  return SourceError(code, std::move(info));
}

std::optional<SourceErrorInfo> GetSourceError(const absl::Status& status) {
  const auto payload = status.GetPayload(ToAbsl(kPayloadUrl));
  if (!payload) return std::nullopt;
  const std::string bytes(*payload);
  Decoder decoder(bytes);
  SourceErrorInfo info;
  std::uint32_t status_code = 0;
  std::uint32_t count = 0;
  if (!decoder.Get(info.message) || !decoder.Get(status_code) || !decoder.Get(count)) {
    return std::nullopt;
  }
  if (status_code != 0) info.status_code = static_cast<int>(status_code);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string name;
    std::string value;
    if (!decoder.Get(name) || !decoder.Get(value)) return std::nullopt;
    info.headers.emplace_back(std::move(name), std::move(value));
  }
  return info;
}

std::string StrongEtag(const HeaderList& headers) {
  const auto etag = FindHeader(headers, "ETag");
  const bool strong = etag && etag->size() > 2 && etag->front() == '"' && etag->back() == '"';
  return strong ? std::string(*etag) : std::string();
}

}  // namespace dragonfly::dfdaemon
