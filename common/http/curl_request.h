#pragma once

#include <cstddef>
#include <string_view>

#include <curl/curl.h>

#include "absl/status/status.h"
#include "common/http/client.h"

namespace dragonfly::internal {

/// InvalidArgument for a method, URL or header that must not be sent.
absl::Status CheckRequest(const HttpClientRequest& request);

struct CurlRequestSettings {
  const HttpClientOptions& client;
  std::size_t receive_buffer_bytes;
};

/// Turns a checked request into options of `easy`. The strings of `request` and `header_list`, which
/// is the caller's to free, must outlive the transfer.
absl::Status ApplyRequest(const HttpClientRequest& request, const CurlRequestSettings& settings,
                          CURL* easy, curl_slist*& header_list);

/// A failure as HttpClient documents it. `detail` is curl's own text and may be empty.
absl::Status StatusFromCurl(CURLcode code, std::string_view detail, bool had_head);

}  // namespace dragonfly::internal
