#include "manager/rest/rest_handler.h"

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/base/strings.h"
#include "common/daemon/metrics_handler.h"

namespace dragonfly::manager {
namespace {

HttpResponse JsonAnswer(int status, const nlohmann::json& body) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json; charset=utf-8"}};
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return response;
}

HttpResponse Answer(const MetricsPage& page, const HttpRequest& request) {
  const std::string_view path = request.Path();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (path == "/healthy" && reads) return JsonAnswer(200, "OK");
  if (path == "/metrics" && reads) return MetricsResponse(page);
  return JsonAnswer(
      501, {{"message", StrCat(request.method, " ", path, " is not implemented by this manager")}});
}

Awaitable<> Serve(const MetricsPage& page, HttpRequest& request, HttpResponder& responder) {
  HttpResponse response = Answer(page, request);
  // A client that left is no news.
  (void)co_await responder.Send(std::move(response));
}

}  // namespace

HttpHandler RestHandler(const MetricsPage& page) {
  return [&page](HttpRequest& request, HttpResponder& responder) {
    return Serve(page, request, responder);
  };
}

}  // namespace dragonfly::manager
