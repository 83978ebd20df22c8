#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "dfdaemon/cluster/scheduler_list.h"

namespace dragonfly::dfdaemon {

/// Which schedulers took a registration and did not answer it, though their health checks may go
/// well: whoever registers at one of them loses the whole time that an answer may take. Pure.
class SilentSchedulers {
 public:
  struct Options {
    /// How long nobody asks such a scheduler; doubled whenever it stays silent again.
    Duration first = std::chrono::seconds(60);
    Duration longest = std::chrono::minutes(10);
    /// How long the one who asks again has for it, until somebody else may.
    Duration probe = std::chrono::seconds(20);
  };
  enum class Standing : std::uint8_t {
    kAnswers,
    kSilent,
    kDue,  ///< Was silent for long enough: one may ask it again.
  };

  explicit SilentSchedulers(Options options) : options_(options) {}
  SilentSchedulers() : SilentSchedulers(Options{}) {}

  /// Returns for how long it is left alone now.
  Duration Silent(const SchedulerEndpoint& scheduler, SteadyTime now);
  /// False when nothing else was known of it.
  bool Answered(const SchedulerEndpoint& scheduler);
  [[nodiscard]] Standing Of(const SchedulerEndpoint& scheduler, SteadyTime now) const;
  /// Somebody asks one that is due; for the others it is silent meanwhile.
  void Probing(const SchedulerEndpoint& scheduler, SteadyTime now);
  /// Forgets those that are not among `known`.
  void KeepOnly(const std::vector<SchedulerEndpoint>& known);

 private:
  struct Silence {
    SchedulerEndpoint scheduler;
    Duration length{};
    SteadyTime until;
    bool probed = false;
  };
  [[nodiscard]] std::vector<Silence>::iterator Find(const SchedulerEndpoint& scheduler);

  Options options_;
  std::vector<Silence> silences_;  // As many as there are schedulers: a few.
};

}  // namespace dragonfly::dfdaemon
