#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dragonfly {

/// `url` without the filtered query parameters, as the Go scheduler and manager of v2.4.0 write it:
/// byte for byte when there is no filter; else the query is sorted by key, the path keeps its
/// encoding, and host case, default port and dot segments stay. Pairs that Go cannot decode are
/// dropped. A URL that Go's net/url cannot parse gives the empty text, as there.
[[nodiscard]] std::string FilterQueryParamsAsGo(std::string_view url,
                                                std::span<const std::string> filtered_query_params);

}  // namespace dragonfly
