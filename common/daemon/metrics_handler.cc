#include "common/daemon/metrics_handler.h"

#include "common/http/router.h"
#include "common/metrics/exposition.h"

namespace dragonfly {

HttpResponse MetricsResponse(const MetricsPage& page) {
  HttpResponse response;
  response.headers = {{"Content-Type", std::string(kMetricsContentType)}};
  response.body = page.Render();
  return response;
}

HttpHandler MetricsHandler(const MetricsPage& page) {
  HttpRouter router;
  router.Add("GET", "/metrics", [&page] { return MetricsResponse(page); });
  return router.Handler();
}

}  // namespace dragonfly
