#include "common/http/request_parser.h"

#include <algorithm>
#include <limits>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "common/base/check.h"

namespace dragonfly {
namespace {

namespace beast_http = boost::beast::http;

HttpRequestParser::Result ResultOf(const boost::system::error_code& error) {
  using Result = HttpRequestParser::Result;
  if (error == beast_http::error::need_more) return Result::kNeedMore;
  if (error == beast_http::error::header_limit) return Result::kHeadTooLarge;
  if (error == beast_http::error::body_limit) return Result::kBodyTooLarge;
  return Result::kBad;
}

}  // namespace

struct HttpRequestParser::Impl {
  beast_http::request_parser<beast_http::buffer_body> parser;
  std::size_t head_bytes_max = 0;
  std::size_t head_bytes = 0;
};

HttpRequestParser::HttpRequestParser(std::size_t head_bytes_max, std::uint64_t body_bytes_max)
    : impl_(std::make_unique<Impl>()) {
  impl_->head_bytes_max =
      std::min<std::size_t>(head_bytes_max, std::numeric_limits<std::uint32_t>::max());
  impl_->parser.header_limit(static_cast<std::uint32_t>(impl_->head_bytes_max));
  impl_->parser.body_limit(body_bytes_max);
}

HttpRequestParser::~HttpRequestParser() = default;

HttpRequestParser::HeadStep HttpRequestParser::ParseHead(std::string_view input) {
  if (impl_->head_bytes == 0 && !input.empty() && !IsHeaderName(input.substr(0, 1))) {
    return {Result::kBad, 0};
  }
  boost::system::error_code error;
  const std::size_t consumed =
      impl_->parser.put(boost::asio::buffer(input.data(), input.size()), error);
  impl_->head_bytes += consumed;
  if (error && error != beast_http::error::need_more) return {ResultOf(error), consumed};
  if (impl_->parser.is_header_done()) return {Result::kDone, consumed};
  // The parser looks at a head only when all of it is there.
  if (impl_->head_bytes + (input.size() - consumed) > impl_->head_bytes_max) {
    return {Result::kHeadTooLarge, consumed};
  }
  return {Result::kNeedMore, consumed};
}

std::string HttpRequestParser::method() const {
  return std::string(impl_->parser.get().method_string());
}
std::string HttpRequestParser::target() const { return std::string(impl_->parser.get().target()); }
unsigned HttpRequestParser::version() const { return impl_->parser.get().version(); }
bool HttpRequestParser::keep_alive() const { return impl_->parser.keep_alive(); }
bool HttpRequestParser::complete() const { return impl_->parser.is_done(); }

HttpHeaders HttpRequestParser::headers() const {
  HttpHeaders headers;
  for (const auto& field : impl_->parser.get().base()) {
    headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  return headers;
}

std::optional<std::uint64_t> HttpRequestParser::content_length() const {
  const auto length = impl_->parser.content_length();
  if (!length) return std::nullopt;
  return *length;
}

HttpRequestParser::BodyStep HttpRequestParser::ParseBody(std::string_view input,
                                                         std::span<std::byte> out) {
  BodyStep step;
  auto& body = impl_->parser.get().body();
  body.data = out.data();
  body.size = out.size();
  body.more = true;
  while (!impl_->parser.is_done()) {
    boost::system::error_code error;
    const std::size_t consumed =
        impl_->parser.put(boost::asio::buffer(input.data(), input.size()), error);
    step.consumed += consumed;
    input.remove_prefix(consumed);
    step.produced = out.size() - body.size;
    if (error == beast_http::error::need_buffer) return step;
    if (error) {
      step.result = ResultOf(error);
      return step;
    }
    if (consumed == 0 || input.empty()) break;
  }
  step.produced = out.size() - body.size;
  step.result = impl_->parser.is_done() ? Result::kDone : Result::kNeedMore;
  return step;
}

}  // namespace dragonfly
