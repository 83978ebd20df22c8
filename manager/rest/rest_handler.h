#pragma once

#include "common/http/server.h"

namespace dragonfly {
class MetricsPage;
}

namespace dragonfly::manager {

/// What the REST port answers: GET /healthy, GET /metrics; every other route says 501 in the form
/// of the API's errors. `page` outlives the server.
HttpHandler RestHandler(const MetricsPage& page);

}  // namespace dragonfly::manager
