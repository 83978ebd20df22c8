#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/log/logger.h"
#include "dfdaemon/config/config.h"

namespace dragonfly::dfdaemon {

/// The whole dfdaemon, made of its folders. Everything here blocks; call it from the main thread.
class Daemon {
 public:
  /// Starts every part, in an order in which each finds what it needs; what was started is stopped
  /// again when a later part fails. `config` must be filled (FillFromHost); `dynconfig_path` names
  /// the file of schedulers that is read when no manager is configured.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(Config config, std::string dynconfig_path,
                                                       Logger log);
  /// Stops in the reverse order. Leaves the cluster first, then lets calls end for `grace`.
  void Stop(std::chrono::milliseconds grace);
  ~Daemon();

 private:
  struct Parts;
  explicit Daemon(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace dragonfly::dfdaemon
