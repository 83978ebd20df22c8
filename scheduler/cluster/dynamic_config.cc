#include "scheduler/cluster/dynamic_config.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <re2/re2.h>

namespace dragonfly::scheduler {
namespace {

auto Tie(const DynamicConfig::UrlPriority& rule) { return std::tie(rule.regex, rule.value); }

auto Tie(const DynamicConfig::SeedPeer& peer) {
  return std::tie(peer.id, peer.hostname, peer.type, peer.idc, peer.location, peer.ip, peer.port,
                  peer.download_port, peer.state, peer.cluster_id);
}

auto Tie(const DynamicConfig::Scopes& scopes) {
  return std::tie(scopes.idc, scopes.location, scopes.cidrs, scopes.hostnames);
}

auto Limits(const DynamicConfig& config) {
  return std::tie(config.candidate_parent_limit, config.filter_parent_limit, config.job_rate_limit,
                  config.peer_load_limit, config.seed_peer_load_limit);
}

template <class T, class Equal>
bool AllEqual(const std::vector<T>& a, const std::vector<T>& b, Equal equal) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), equal);
}

bool SameApplication(const DynamicConfig::Application& a, const DynamicConfig::Application& b) {
  return a.name == b.name && a.priority == b.priority &&
         AllEqual(a.urls, b.urls, [](const auto& x, const auto& y) { return Tie(x) == Tie(y); });
}

std::shared_ptr<const re2::RE2> Compile(const std::string& regex) {
  // Patterns are an operator's, but texts that match them come from anyone: RE2 is linear in them.
  return std::make_shared<const RE2>(regex, RE2::Quiet);
}

std::shared_ptr<const DynamicConfig> Compiled(DynamicConfig config) {
  for (DynamicConfig::Application& application : config.applications) {
    for (DynamicConfig::UrlPriority& rule : application.urls) rule.compiled = Compile(rule.regex);
  }
  return std::make_shared<const DynamicConfig>(std::move(config));
}

}  // namespace

class DynamicConfigHolder::Entry final : public DynamicConfigSubscription {
 public:
  Entry(DynamicConfigHolder& holder, OnChange change)
      : on_change(std::move(change)), holder_(holder) {
    const MutexLock lock(holder_.calling_);
    holder_.entries_.push_back(this);
  }
  ~Entry() override {
    const MutexLock lock(holder_.calling_);
    std::erase(holder_.entries_, this);
  }

  const OnChange on_change;

 private:
  DynamicConfigHolder& holder_;
};

DynamicConfigHolder::DynamicConfigHolder(DynamicConfig initial)
    : current_(Compiled(std::move(initial))) {}

DynamicConfigHolder::~DynamicConfigHolder() = default;

std::shared_ptr<const DynamicConfig> DynamicConfigHolder::current() const {
  const MutexLock lock(mutex_);
  return current_;
}

std::unique_ptr<DynamicConfigSubscription> DynamicConfigHolder::Subscribe(OnChange on_change) {
  return std::make_unique<Entry>(*this, std::move(on_change));
}

void DynamicConfigHolder::Publish(DynamicConfig config) {
  auto next = Compiled(std::move(config));
  const MutexLock calling(calling_);
  {
    const MutexLock lock(mutex_);
    current_ = next;
  }
  for (const Entry* entry : entries_) entry->on_change(next);
}

std::int32_t EffectivePriority(const DynamicConfig& config, std::int32_t requested,
                               std::string_view application, std::string_view url) {
  if (requested != 0) return requested;
  const auto found = std::find_if(config.applications.begin(), config.applications.end(),
                                  [&](const auto& entry) { return entry.name == application; });
  if (found == config.applications.end()) return 0;
  for (const DynamicConfig::UrlPriority& rule : found->urls) {
    const auto regex = rule.compiled != nullptr ? rule.compiled : Compile(rule.regex);
    if (regex->ok() && RE2::PartialMatch(re2::StringPiece(url.data(), url.size()), *regex)) {
      return rule.value;
    }
  }
  return found->priority;
}

bool operator==(const DynamicConfig& a, const DynamicConfig& b) {
  return Limits(a) == Limits(b) && AllEqual(a.applications, b.applications, SameApplication) &&
         a.scheduler_cluster_id == b.scheduler_cluster_id &&
         a.scheduler_cluster_name == b.scheduler_cluster_name && Tie(a.scopes) == Tie(b.scopes) &&
         AllEqual(a.seed_peers, b.seed_peers,
                  [](const auto& x, const auto& y) { return Tie(x) == Tie(y); });
}

}  // namespace dragonfly::scheduler
