#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/http/headers.h"

namespace dragonfly {

/// Reads one HTTP/1 request from bytes; no sockets. First ParseHead until kDone, then ParseBody until
/// kDone. Consumed bytes are not to be passed again, others are, together with what came after them.
class HttpRequestParser {
 public:
  enum class Result : std::uint8_t { kDone, kNeedMore, kBad, kHeadTooLarge, kBodyTooLarge };

  HttpRequestParser(std::size_t head_bytes_max, std::uint64_t body_bytes_max);
  ~HttpRequestParser();
  HttpRequestParser(const HttpRequestParser&) = delete;
  HttpRequestParser& operator=(const HttpRequestParser&) = delete;

  struct HeadStep {
    Result result = Result::kNeedMore;
    std::size_t consumed = 0;
  };
  /// kBad at the first byte that cannot begin a request.
  HeadStep ParseHead(std::string_view input);

  // After ParseHead said kDone.
  [[nodiscard]] std::string method() const;
  [[nodiscard]] std::string target() const;
  [[nodiscard]] unsigned version() const;
  [[nodiscard]] HttpHeaders headers() const;
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;
  /// True when nothing of the request is outstanding.
  [[nodiscard]] bool complete() const;

  struct BodyStep {
    Result result = Result::kNeedMore;  ///< kDone: the body is complete.
    std::size_t consumed = 0;
    std::size_t produced = 0;  ///< Bytes written to `out`.
  };
  /// kNeedMore with produced > 0 may also mean that `out` is full.
  BodyStep ParseBody(std::string_view input, std::span<std::byte> out);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace dragonfly
