#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/mutex.h"

namespace re2 {
class RE2;
}

namespace dragonfly::scheduler {

/// What an operator may change while the scheduler runs, from the manager or from a local file.
/// A snapshot: never modified after it was published. Numbers are in their bounds already, so users
/// need no checks.
struct DynamicConfig {
  /// One rule of an application: RE2 syntax, matches anywhere in the URL.
  struct UrlPriority {
    std::string regex;
    /// common.v2.Priority; the manager admits up to 20, only 0…6 have a meaning.
    std::int32_t value = 0;
    /// Filled when the snapshot is published.
    std::shared_ptr<const re2::RE2> compiled;
  };
  struct Application {
    std::string name;
    std::int32_t priority = 0;
    std::vector<UrlPriority> urls;
  };
  /// A seed peer that the manager knows. Seed peers of our time announce themselves at the
  /// scheduler instead and are not in this list.
  struct SeedPeer {
    std::uint64_t id = 0;
    std::string hostname;
    std::string type;
    std::string idc;
    std::string location;
    std::string ip;
    std::int32_t port = 0;
    std::int32_t download_port = 0;
    std::string state;
    std::uint64_t cluster_id = 0;
  };
  /// Which hosts the manager sends to this cluster; lists inside are separated by '|'.
  struct Scopes {
    std::string idc;
    std::string location;
    std::vector<std::string> cidrs;
    std::vector<std::string> hostnames;
  };

  // Scheduler cluster. Defaults and bounds: Go scheduler/config/constants.go and
  // manager/types/scheduler_cluster.go, v2.4.0.

  /// Parents that a peer is offered at once, 1…20.
  std::uint32_t candidate_parent_limit = 3;
  /// Peers of the task that are drawn at random to choose from, 10…1000.
  std::uint32_t filter_parent_limit = 15;
  /// Jobs per second that the manager admits for the cluster.
  std::uint32_t job_rate_limit = 10;
  /// Uploads at once of a normal host, 1…2000.
  std::uint32_t peer_load_limit = 200;
  /// Uploads at once of a seed peer, 1…50000.
  std::uint32_t seed_peer_load_limit = 2000;

  std::vector<Application> applications;

  // Only from a manager.

  std::uint64_t scheduler_cluster_id = 0;
  std::string scheduler_cluster_name;
  Scopes scopes;
  std::vector<SeedPeer> seed_peers;
};

/// Keeps a subscription alive; the callback does not start any more once this is destroyed, and a
/// running one has returned. So never destroy it inside the callback.
class DynamicConfigSubscription {
 public:
  virtual ~DynamicConfigSubscription() = default;
};

/// Where the parts of the scheduler read dynamic configuration. Thread-safe.
class DynamicConfigSource {
 public:
  using OnChange = std::function<void(const std::shared_ptr<const DynamicConfig>& config)>;

  virtual ~DynamicConfigSource() = default;
  /// The newest snapshot; never null. Cheap enough for every registration.
  [[nodiscard]] virtual std::shared_ptr<const DynamicConfig> current() const = 0;
  /// Calls `on_change` after each change, on the thread that made it: post to your executor. The
  /// source outlives the subscription. Do not subscribe or publish inside the callback.
  [[nodiscard]] virtual std::unique_ptr<DynamicConfigSubscription> Subscribe(
      OnChange on_change) = 0;
};

/// The source for everyone, filled by whoever fetches. Thread-safe.
class DynamicConfigHolder final : public DynamicConfigSource {
 public:
  explicit DynamicConfigHolder(DynamicConfig initial = {});
  ~DynamicConfigHolder() override;

  [[nodiscard]] std::shared_ptr<const DynamicConfig> current() const override;
  [[nodiscard]] std::unique_ptr<DynamicConfigSubscription> Subscribe(OnChange on_change) override;

  /// Makes `config` the current one and tells the subscribers, also when it is equal to the last.
  void Publish(DynamicConfig config);

 private:
  class Entry;

  mutable Mutex mutex_;
  std::shared_ptr<const DynamicConfig> current_ ABSL_GUARDED_BY(mutex_);

  /// Held while callbacks run, so that they are one at a time and in order.
  Mutex calling_;
  std::vector<Entry*> entries_ ABSL_GUARDED_BY(calling_);
};

/// The priority of a download: `requested` when it is not 0, else the application's first rule
/// whose regex matches `url`, else the application's own, else 0. Rules that are no regex match
/// nothing.
std::int32_t EffectivePriority(const DynamicConfig& config, std::int32_t requested,
                               std::string_view application, std::string_view url);

bool operator==(const DynamicConfig& a, const DynamicConfig& b);

}  // namespace dragonfly::scheduler
