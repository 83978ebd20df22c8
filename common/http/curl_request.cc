#include "common/http/curl_request.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::internal {
namespace {

bool IsHttps(std::string_view url) {
  constexpr std::string_view kScheme = "https:";
  return url.size() > kScheme.size() && SameHeaderName(url.substr(0, kScheme.size()), kScheme);
}

// A body is announced for these even when it is empty, because servers insist on a length.
bool UsuallyHasBody(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

// The certificates that curl trusts by default, read once.
const std::string& SystemCaPem() {
  static const std::string pem = [] {
    std::string text;
    const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
    if (info == nullptr || info->cainfo == nullptr) return text;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(info->cainfo, "re"),
                                                               &std::fclose);
    if (file == nullptr) return text;
    char block[16 * 1024];
    while (const std::size_t count = std::fread(block, 1, sizeof(block), file.get())) {
      text.append(block, count);
    }
    return text;
  }();
  return pem;
}

// Curl drops "Name: " with nothing behind it; "Name;" is its way to say an empty value.
std::string HeaderLine(std::string_view name, std::string_view value) {
  return value.empty() ? StrCat(name, ";") : StrCat(name, ": ", value);
}

absl::Status Append(curl_slist*& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list, line.c_str());
  if (longer == nullptr) return absl::ResourceExhaustedError("no memory for request headers");
  list = longer;
  return absl::OkStatus();
}

absl::Status AddHeaders(const HttpClientRequest& request, CURL* easy, curl_slist*& list) {
  bool accepts = false;
  bool expects = false;
  for (const auto& [name, value] : request.headers) {
    if (SameHeaderName(name, "Content-Length") || SameHeaderName(name, "Transfer-Encoding")) {
      continue;
    }
    accepts = accepts || SameHeaderName(name, "Accept");
    expects = expects || SameHeaderName(name, "Expect");
    RETURN_IF_ERROR(Append(list, HeaderLine(name, value)));
  }
  // These two curl adds on its own unless they are named without a value.
  if (!accepts) RETURN_IF_ERROR(Append(list, "Accept:"));
  if (!expects) RETURN_IF_ERROR(Append(list, "Expect:"));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  return absl::OkStatus();
}

void SetBody(const HttpClientRequest& request, CURL* easy) {
  using Body = HttpClientRequest::Body;
  const bool has_body = request.body_kind != Body::kNone || UsuallyHasBody(request.method);
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  if (has_body) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_off_t length = -1;
    if (request.body_kind != Body::kStreamed) {
      length = static_cast<curl_off_t>(request.body.size());
    } else if (request.streamed_length) {
      length = static_cast<curl_off_t>(*request.streamed_length);
    }
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, length);
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  }
  // A streamed body cannot be sent twice, so it must not meet a kept connection that is dead.
  if (request.body_kind == Body::kStreamed) curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  if (has_body || request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

void SetTls(const HttpClientRequest& request, CURL* easy) {
  if (request.insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    return;
  }
  if (request.extra_ca_pem.empty()) return;
  // As a blob, because curl compares blobs before it uses a connection again: one that was accepted
  // for these certificates must not serve requests that do not trust them.
  std::string pem = StrCat(SystemCaPem(), "\n", request.extra_ca_pem);
  curl_blob blob{pem.data(), pem.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
}

}  // namespace

absl::Status CheckRequest(const HttpClientRequest& request) {
  if (!IsHeaderName(request.method)) return absl::InvalidArgumentError("bad HTTP method");
  if (request.method == "CONNECT") {
    return absl::InvalidArgumentError("CONNECT is not a request of this client");
  }
  if (request.url.empty() || !IsHeaderValue(request.url)) {
    return absl::InvalidArgumentError("bad URL");
  }
  for (const auto& [name, value] : request.headers) {
    if (!IsHeaderName(name)) return absl::InvalidArgumentError("bad name of a request header");
    if (!IsHeaderValue(value)) {
      return absl::InvalidArgumentError(StrCat("bad value of request header ", name));
    }
  }
  return absl::OkStatus();
}

absl::Status ApplyRequest(const HttpClientRequest& request, const CurlRequestSettings& settings,
                          CURL* easy, curl_slist*& header_list) {
  const HttpClientOptions& client = settings.client;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A request that is given up while its name is being resolved must not wait for the resolver.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  if (curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str()) != CURLE_OK) {
    return absl::InvalidArgumentError("bad URL");
  }
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   request.allow_http2 ? static_cast<long>(CURL_HTTP_VERSION_2TLS)
                                       : static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                   static_cast<long>(std::clamp<std::size_t>(settings.receive_buffer_bytes,
                                                             16 * 1024, 512 * 1024)));
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT,
                   static_cast<long>(client.dns_cache_ttl.count()));
  const std::string& proxy = IsHttps(request.url) ? client.proxies.https : client.proxies.http;
  // Set even when empty: else curl would look into the environment by itself.
  curl_easy_setopt(easy, CURLOPT_PROXY, proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, client.proxies.no_proxy.c_str());
  // Curl's default is 300 s, and 0 means the default: a day stands for no limit.
  constexpr long kNoLimitMs = 24L * 3600 * 1000;
  const auto limit = [](std::chrono::milliseconds value) {
    return value.count() > 0 ? static_cast<long>(value.count()) : kNoLimitMs;
  };
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, limit(request.timeouts.connect));
  if (request.timeouts.total.count() > 0) {
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, limit(request.timeouts.total));
  }
  if (request.max_redirects > 0) {
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(request.max_redirects));
  }
  SetTls(request, easy);
  SetBody(request, easy);
  return AddHeaders(request, easy, header_list);
}

absl::Status StatusFromCurl(CURLcode code, std::string_view detail, bool had_head) {
  std::string text(detail);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (text.empty()) text = curl_easy_strerror(code);
  // Curl reports an answer without a status line as an unsupported protocol.
  if (text.find("HTTP/0.9") != std::string::npos) code = CURLE_WEIRD_SERVER_REPLY;
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(StrCat("bad URL: ", text));
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(text);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return absl::FailedPreconditionError(StrCat("certificate not trusted: ", text));
    case CURLE_TOO_MANY_REDIRECTS:
      return absl::FailedPreconditionError("too many redirects");
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return absl::DataLossError(StrCat("the answer is not HTTP: ", text));
    case CURLE_OUT_OF_MEMORY:
      return absl::ResourceExhaustedError(text);
    case CURLE_GOT_NOTHING:
      return absl::UnavailableError("the server closed the connection without an answer");
    default:
      if (had_head) return absl::DataLossError(StrCat("connection closed early: ", text));
      return absl::UnavailableError(text);
  }
}

}  // namespace dragonfly::internal
