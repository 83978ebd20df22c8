#include "manager/rpc/conversions.h"

#include <nlohmann/json.hpp>

#include "manager/clusters/json_text.h"

namespace dragonfly::manager {
namespace {

using Json = nlohmann::json;

constexpr int kMaxFeatures = 100;

void DropNulls(Json& value) {
  if (!value.is_object()) return;
  for (auto member = value.begin(); member != value.end();) {
    if (member->is_null()) {
      member = value.erase(member);
    } else {
      DropNulls(*member);
      ++member;
    }
  }
}

std::string_view NameOf(State state) { return state == State::kActive ? "active" : "inactive"; }

std::string OrEmptyObject(std::string_view json) {
  return json.empty() || json == "null" ? "{}" : std::string(json);
}

pb::common::Priority PriorityOf(const Json& object) {
  const auto found = object.find("value");
  const int value = found != object.end() && found->is_number_integer() ? found->get<int>() : 0;
  // Applications may carry values beyond the enum's; they travel as they are.
  return static_cast<pb::common::Priority>(value);
}

}  // namespace

std::string WithoutNulls(std::string_view json) {
  Json value = ParseJsonText(json);
  if (!value.is_object()) return "{}";
  DropNulls(value);
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

MemberKey KeyOf(const pb::manager::KeepAliveRequest& request) {
  return {request.hostname(), request.ip(), request.cluster_id()};
}

absl::StatusOr<SchedulerRegistration> FromProto(
    const pb::manager::UpdateSchedulerRequest& request) {
  SchedulerRegistration result;
  result.key = {request.hostname(), request.ip(), request.scheduler_cluster_id()};
  result.idc = request.idc();
  result.location = request.location();
  result.port = request.port();
  if (request.features_size() > kMaxFeatures) {
    return absl::InvalidArgumentError("invalid UpdateSchedulerRequest.features: too many");
  }
  Json features = Json::array();
  for (const std::string& feature : request.features()) features.push_back(feature);
  result.features_json = features.empty() ? std::string(kDefaultFeatures) : features.dump();
  if (!request.config().empty()) {
    const Json config = ParseJsonText(request.config());
    if (!config.is_object() && !config.is_null()) {
      return absl::InvalidArgumentError("invalid UpdateSchedulerRequest.config: no JSON object");
    }
    result.config_json = config.dump();
  }
  return result;
}

SeedPeerRegistration FromProto(const pb::manager::UpdateSeedPeerRequest& request) {
  SeedPeerRegistration result;
  result.key = {request.hostname(), request.ip(), request.seed_peer_cluster_id()};
  result.type = request.type();
  result.idc = request.idc();
  result.location = request.location();
  result.port = request.port();
  result.download_port = request.download_port();
  return result;
}

HostQuery QueryOf(const pb::manager::ListSchedulersRequest& request) {
  return {request.ip(), request.hostname(), request.idc(), request.location()};
}

void ToProto(const Scheduler& row, pb::manager::Scheduler& message) {
  message.set_id(row.id);
  message.set_hostname(row.host_name);
  message.set_idc(row.idc);
  message.set_location(row.location);
  message.set_ip(row.ip);
  message.set_port(row.port);
  message.set_state(std::string(NameOf(row.state)));
  message.set_scheduler_cluster_id(row.scheduler_cluster_id);
  message.set_features(row.features_json);
}

void ToProto(const SeedPeer& row, pb::manager::SeedPeer& message) {
  message.set_id(row.id);
  message.set_hostname(row.host_name);
  message.set_type(row.type);
  message.set_idc(row.idc);
  message.set_location(row.location);
  message.set_ip(row.ip);
  message.set_port(row.port);
  message.set_download_port(row.download_port);
  message.set_state(std::string(NameOf(row.state)));
  message.set_seed_peer_cluster_id(row.seed_peer_cluster_id);
}

void ToProto(const SchedulerCluster& row, pb::manager::SchedulerCluster& message) {
  message.set_id(row.id);
  message.set_name(row.name);
  message.set_bio(row.bio);
  message.set_config(OrEmptyObject(row.config_json));
  message.set_client_config(WithoutNulls(row.client_config_json));
  message.set_scopes(OrEmptyObject(row.scopes_json));
  message.set_seed_client_config(WithoutNulls(row.seed_client_config_json));
}

void ToProto(const SeedPeerCluster& row, pb::manager::SeedPeerCluster& message) {
  message.set_id(row.id);
  message.set_name(row.name);
  message.set_bio(row.bio);
  message.set_config(OrEmptyObject(row.config_json));
}

void ToProto(const Application& row, pb::manager::Application& message) {
  message.set_id(row.id);
  message.set_name(row.name);
  message.set_url(row.url);
  message.set_bio(row.bio);
  const Json priority = ParseJsonText(row.priority_json);
  auto& out = *message.mutable_priority();
  if (!priority.is_object()) return;
  out.set_value(PriorityOf(priority));
  const auto urls = priority.find("urls");
  if (urls == priority.end() || !urls->is_array()) return;
  for (const Json& url : *urls) {
    if (!url.is_object() || !url.contains("regex") || !url["regex"].is_string()) continue;
    auto& rule = *out.add_urls();
    rule.set_regex(url["regex"].get<std::string>());
    rule.set_value(PriorityOf(url));
  }
}

void ToProto(const ClusterSnapshot& snapshot, const Scheduler& row,
             pb::manager::Scheduler& message) {
  ToProto(row, message);
  auto& cluster = *message.mutable_scheduler_cluster();
  const SchedulerCluster* found = snapshot.FindSchedulerCluster(row.scheduler_cluster_id);
  // A scheduler may register for a cluster that nobody has made yet; it runs on defaults then.
  SchedulerCluster defaults;
  defaults.id = row.scheduler_cluster_id;
  ToProto(found != nullptr ? *found : defaults, cluster);
  for (const SeedPeer* peer : snapshot.SeedPeersFor(row.scheduler_cluster_id)) {
    auto& out = *message.add_seed_peers();
    ToProto(*peer, out);
    // Go schedulers take it for granted.
    SeedPeerCluster seed_defaults;
    seed_defaults.id = peer->seed_peer_cluster_id;
    const SeedPeerCluster* seed_cluster = snapshot.FindSeedPeerCluster(peer->seed_peer_cluster_id);
    ToProto(seed_cluster != nullptr ? *seed_cluster : seed_defaults,
            *out.mutable_seed_peer_cluster());
  }
}

}  // namespace dragonfly::manager
