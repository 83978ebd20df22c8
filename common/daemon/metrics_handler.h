#pragma once

#include "common/http/server.h"

namespace dragonfly {

class MetricsPage;

/// The answer to GET /metrics. Renders the page on the calling thread.
HttpResponse MetricsResponse(const MetricsPage& page);

/// A server of nothing but GET /metrics. `page` outlives the server.
HttpHandler MetricsHandler(const MetricsPage& page);

}  // namespace dragonfly
