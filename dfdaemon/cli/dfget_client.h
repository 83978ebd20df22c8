#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dfdaemon/cli/dfget_options.h"
#include "dfdaemon/cli/report.h"

namespace dragonfly::dfdaemon {

/// Bytes by where the daemon had them from.
struct DfgetResult {
  bool ok = false;
  std::string report;  ///< For stdout when !ok.
  std::uint64_t from_source = 0;
  std::uint64_t from_peers = 0;
  std::uint64_t local = 0;
};

struct DfgetCallbacks {
  /// Length of the content is known.
  std::function<void(std::uint64_t content_length)> started;
  /// A piece is there.
  std::function<void(std::uint64_t length)> piece;
  /// Called with a function that ends the download at once, and with nullptr before that function
  /// becomes invalid. The function may be called on any thread; the download then fails as
  /// cancelled.
  std::function<void(std::function<void()> cancel)> interrupted;
};

/// Asks the daemon for the file and waits until it is there. Blocks. After a failure no file that
/// was made for this download remains. `options` must be validated.
[[nodiscard]] DfgetResult RunDfget(const DfgetOptions& options, const ReportWriter& reports,
                                   const DfgetCallbacks& callbacks);

}  // namespace dragonfly::dfdaemon
