#pragma once

#include <string>

#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// What every request to an origin carries.
struct OriginHeaderDefaults {
  /// backend.requestHeader: added where the caller's request has none of that name.
  HeaderList extra;
  std::string user_agent = "dragonfly";
};

/// The caller's headers as they go to the origin: without those of a connection, Range and
/// conditions that are only about a part; always `Accept-Encoding: identity`, because what is stored
/// is handed to clients that may not understand a coding.
[[nodiscard]] HeaderList OriginHeaders(const HeaderList& from_caller,
                                       const OriginHeaderDefaults& defaults);

/// Conditions make sense when a task begins; a piece that answers 304 would be none.
void RemoveConditions(HeaderList& headers);

/// What must not follow a redirect to another origin.
void RemoveCredentials(HeaderList& headers);

}  // namespace dragonfly::dfdaemon
