#include "scheduler/cluster/dynamic_config_cache.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "common/base/strings.h"
#include "scheduler/cluster/dynamic_config_bounds.h"

namespace dragonfly::scheduler {
namespace {

using Json = nlohmann::json;

constexpr std::uintmax_t kMaxFileBytes = 16 << 20;
constexpr int kVersion = 1;

Json ToJson(const DynamicConfig::Application& application) {
  Json urls = Json::array();
  for (const auto& rule : application.urls) {
    urls.push_back({{"regex", rule.regex}, {"value", rule.value}});
  }
  return {{"name", application.name}, {"priority", application.priority}, {"urls", urls}};
}

Json ToJson(const DynamicConfig::SeedPeer& peer) {
  return {{"id", peer.id},
          {"hostname", peer.hostname},
          {"type", peer.type},
          {"idc", peer.idc},
          {"location", peer.location},
          {"ip", peer.ip},
          {"port", peer.port},
          {"download_port", peer.download_port},
          {"state", peer.state},
          {"cluster_id", peer.cluster_id}};
}

DynamicConfig::Application ReadApplication(const Json& json) {
  DynamicConfig::Application result;
  result.name = json.at("name").get<std::string>();
  result.priority = json.at("priority").get<std::int32_t>();
  for (const Json& rule : json.at("urls")) {
    result.urls.push_back({.regex = rule.at("regex").get<std::string>(),
                           .value = rule.at("value").get<std::int32_t>(),
                           .compiled = nullptr});
  }
  return result;
}

DynamicConfig::SeedPeer ReadSeedPeer(const Json& json) {
  DynamicConfig::SeedPeer result;
  result.id = json.at("id").get<std::uint64_t>();
  result.hostname = json.at("hostname").get<std::string>();
  result.type = json.at("type").get<std::string>();
  result.idc = json.at("idc").get<std::string>();
  result.location = json.at("location").get<std::string>();
  result.ip = json.at("ip").get<std::string>();
  result.port = json.at("port").get<std::int32_t>();
  result.download_port = json.at("download_port").get<std::int32_t>();
  result.state = json.at("state").get<std::string>();
  result.cluster_id = json.at("cluster_id").get<std::uint64_t>();
  return result;
}

DynamicConfig Read(const Json& json) {
  DynamicConfig result;
  const auto limit = [&json](const char* key, Bounds bounds) {
    return bounds.Clamp(json.at(key).get<std::uint32_t>());
  };
  result.candidate_parent_limit = limit("candidate_parent_limit", kCandidateParentLimit);
  result.filter_parent_limit = limit("filter_parent_limit", kFilterParentLimit);
  result.job_rate_limit = limit("job_rate_limit", kJobRateLimit);
  result.peer_load_limit = limit("peer_load_limit", kPeerLoadLimit);
  result.seed_peer_load_limit = limit("seed_peer_load_limit", kSeedPeerLoadLimit);
  result.scheduler_cluster_id = json.at("scheduler_cluster_id").get<std::uint64_t>();
  result.scheduler_cluster_name = json.at("scheduler_cluster_name").get<std::string>();
  const Json& scopes = json.at("scopes");
  result.scopes.idc = scopes.at("idc").get<std::string>();
  result.scopes.location = scopes.at("location").get<std::string>();
  result.scopes.cidrs = scopes.at("cidrs").get<std::vector<std::string>>();
  result.scopes.hostnames = scopes.at("hostnames").get<std::vector<std::string>>();
  for (const Json& entry : json.at("applications")) {
    result.applications.push_back(ReadApplication(entry));
  }
  for (const Json& entry : json.at("seed_peers")) result.seed_peers.push_back(ReadSeedPeer(entry));
  return result;
}

}  // namespace

std::string EncodeDynamicConfig(const DynamicConfig& config) {
  Json applications = Json::array();
  for (const auto& application : config.applications) applications.push_back(ToJson(application));
  Json seed_peers = Json::array();
  for (const auto& peer : config.seed_peers) seed_peers.push_back(ToJson(peer));
  const Json json = {{"version", kVersion},
                     {"candidate_parent_limit", config.candidate_parent_limit},
                     {"filter_parent_limit", config.filter_parent_limit},
                     {"job_rate_limit", config.job_rate_limit},
                     {"peer_load_limit", config.peer_load_limit},
                     {"seed_peer_load_limit", config.seed_peer_load_limit},
                     {"scheduler_cluster_id", config.scheduler_cluster_id},
                     {"scheduler_cluster_name", config.scheduler_cluster_name},
                     {"scopes",
                      {{"idc", config.scopes.idc},
                       {"location", config.scopes.location},
                       {"cidrs", config.scopes.cidrs},
                       {"hostnames", config.scopes.hostnames}}},
                     {"applications", applications},
                     {"seed_peers", seed_peers}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<DynamicConfig> DecodeDynamicConfig(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    if (json.at("version").get<int>() != kVersion) {
      return absl::InvalidArgumentError("is of another version");
    }
    return Read(json);
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

absl::Status SaveDynamicConfig(const std::string& path, const DynamicConfig& config) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  const std::string next = path + ".tmp";
  errno = 0;
  {
    std::ofstream out(next, std::ios::binary | std::ios::trunc);
    out << EncodeDynamicConfig(config);
    if (!out.flush()) {
      return absl::UnavailableError(StrCat("write ", next, ": ", std::strerror(errno)));
    }
  }
  fs::rename(next, path, error);
  if (error) return absl::UnavailableError(StrCat("write ", path, ": ", error.message()));
  return absl::OkStatus();
}

absl::StatusOr<DynamicConfig> LoadDynamicConfig(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return absl::NotFoundError(StrCat("read ", path, ": ", error.message()));
  if (size > kMaxFileBytes) return absl::InvalidArgumentError(StrCat(path, " is too large"));
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return absl::NotFoundError(StrCat("read ", path, " failed"));
  auto decoded = DecodeDynamicConfig(text.str());
  if (!decoded.ok()) {
    return absl::InvalidArgumentError(StrCat(path, ": ", decoded.status().message()));
  }
  return decoded;
}

}  // namespace dragonfly::scheduler
