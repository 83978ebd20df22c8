#include "scheduler/cluster/manager_conversions.h"

#include <string>

#include <nlohmann/json.hpp>

#include "scheduler/cluster/dynamic_config_bounds.h"

namespace dragonfly::scheduler {
namespace {

using Json = nlohmann::json;

Json Object(const std::string& text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_object() ? value : Json::object();
}

void ReadNumber(const Json& object, const char* key, Bounds bounds, std::uint32_t& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return;
  const auto value = found->get<std::int64_t>();
  if (value > 0) out = bounds.Clamp(static_cast<std::uint64_t>(value));
}

std::string ReadText(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> ReadTexts(const Json& object, const char* key) {
  std::vector<std::string> result;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return result;
  for (const Json& entry : *found) {
    if (entry.is_string()) result.push_back(entry.get<std::string>());
  }
  return result;
}

DynamicConfig::SeedPeer FromProto(const pb::manager::SeedPeer& message) {
  DynamicConfig::SeedPeer result;
  result.id = message.id();
  result.hostname = message.hostname();
  result.type = message.type();
  result.idc = message.idc();
  result.location = message.location();
  result.ip = message.ip();
  result.port = message.port();
  result.download_port = message.download_port();
  result.state = message.state();
  result.cluster_id = message.seed_peer_cluster_id();
  return result;
}

DynamicConfig::Application FromProto(const pb::manager::Application& message) {
  DynamicConfig::Application result;
  result.name = message.name();
  result.priority = message.priority().value();
  for (const auto& url : message.priority().urls()) {
    result.urls.push_back({.regex = url.regex(), .value = url.value(), .compiled = nullptr});
  }
  return result;
}

}  // namespace

DynamicConfig FromProto(const pb::manager::Scheduler& scheduler,
                        const pb::manager::ListApplicationsResponse& applications) {
  DynamicConfig result;
  result.scheduler_cluster_id = scheduler.scheduler_cluster_id();
  const pb::manager::SchedulerCluster& cluster = scheduler.scheduler_cluster();
  result.scheduler_cluster_name = cluster.name();

  const Json config = Object(cluster.config());
  ReadNumber(config, "candidate_parent_limit", kCandidateParentLimit,
             result.candidate_parent_limit);
  ReadNumber(config, "filter_parent_limit", kFilterParentLimit, result.filter_parent_limit);
  ReadNumber(config, "job_rate_limit", kJobRateLimit, result.job_rate_limit);
  ReadNumber(Object(cluster.client_config()), "load_limit", kPeerLoadLimit, result.peer_load_limit);
  // All seed peer clusters of a scheduler share a limit; the first one's counts.
  if (!scheduler.seed_peers().empty()) {
    ReadNumber(Object(scheduler.seed_peers(0).seed_peer_cluster().config()), "load_limit",
               kSeedPeerLoadLimit, result.seed_peer_load_limit);
  }

  const Json scopes = Object(cluster.scopes());
  result.scopes.idc = ReadText(scopes, "idc");
  result.scopes.location = ReadText(scopes, "location");
  result.scopes.cidrs = ReadTexts(scopes, "cidrs");
  result.scopes.hostnames = ReadTexts(scopes, "hostnames");

  for (const auto& peer : scheduler.seed_peers()) result.seed_peers.push_back(FromProto(peer));
  for (const auto& application : applications.applications()) {
    result.applications.push_back(FromProto(application));
  }
  return result;
}

}  // namespace dragonfly::scheduler
