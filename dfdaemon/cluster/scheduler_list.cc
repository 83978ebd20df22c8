#include "dfdaemon/cluster/scheduler_list.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

// A cluster has a few schedulers; a file that says otherwise is not ours.
constexpr std::size_t kMaxFileBytes = 1 << 20;

std::vector<RingAddress> RingAddresses(std::span<const SchedulerEndpoint> endpoints) {
  std::vector<RingAddress> addresses;
  for (const auto& endpoint : endpoints) {
    if (auto address = RingAddress::Parse(endpoint.address()); address.ok()) {
      addresses.push_back(*address);
    }
  }
  return addresses;
}

std::vector<SchedulerEndpoint> OnlyWithIp(std::vector<SchedulerEndpoint> endpoints) {
  std::erase_if(endpoints, [](const SchedulerEndpoint& endpoint) {
    return endpoint.port == 0 || !RingAddress::Parse(endpoint.address()).ok();
  });
  return endpoints;
}

absl::Status FileError(std::string_view action, const std::string& path) {
  return absl::InternalError(StrCat(action, " ", path, ": ", std::strerror(errno)));
}

}  // namespace

std::string SchedulerEndpoint::address() const {
  const bool v6 = ip.find(':') != std::string::npos;
  return v6 ? StrCat("[", ip, "]:", port) : StrCat(ip, ":", port);
}

std::vector<SchedulerEndpoint> SelectUsable(std::span<const SchedulerEndpoint> listed,
                                            const std::vector<bool>& healthy) {
  std::vector<SchedulerEndpoint> usable;
  for (std::size_t i = 0; i < listed.size() && i < healthy.size(); ++i) {
    if (!healthy[i]) continue;
    if (!usable.empty() && usable.front().cluster_id != listed[i].cluster_id) continue;
    usable.push_back(listed[i]);
  }
  return usable;
}

SchedulerSet::SchedulerSet(std::vector<SchedulerEndpoint> endpoints)
    : endpoints_(OnlyWithIp(std::move(endpoints))), ring_(RingAddresses(endpoints_)) {}

absl::StatusOr<SchedulerEndpoint> SchedulerSet::Pick(const TaskId& task) const {
  if (endpoints_.empty()) return absl::UnavailableError("available schedulers not found");
  const auto index = ring_.Pick(task.str());
  if (!index.ok()) return index.status();
  return endpoints_[*index];
}

absl::Status SaveSchedulerList(const std::string& path, const ListedSchedulers& listed) {
  auto list = nlohmann::json::array();
  for (const auto& endpoint : listed.endpoints) {
    list.push_back({{"hostname", endpoint.hostname},
                    {"ip", endpoint.ip},
                    {"port", endpoint.port},
                    {"cluster_id", endpoint.cluster_id}});
  }
  auto block_lists = nlohmann::json::object();
  for (const auto& [cluster_id, blocked] : listed.block_lists) {
    block_lists[std::to_string(cluster_id)] = WriteBlockList(blocked);
  }
  const nlohmann::json document = {{"schedulers", list}, {"block_lists", block_lists}};
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  const std::string temporary = path + ".new";
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    if (!out.flush()) return FileError("write", temporary);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return FileError("replace", path);
  return absl::OkStatus();
}

absl::StatusOr<ListedSchedulers> LoadSchedulerList(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return absl::NotFoundError(StrCat("read ", path, ": ", error.message()));
  if (size > kMaxFileBytes) return absl::InvalidArgumentError(StrCat("read ", path, ": too large"));
  std::ifstream in(path, std::ios::binary);
  const auto document = nlohmann::json::parse(std::istreambuf_iterator<char>(in), {}, nullptr,
                                              /*allow_exceptions=*/false);
  const auto damaged = [&path] {
    return absl::InvalidArgumentError(StrCat("read ", path, ": not a list of schedulers"));
  };
  if (!document.is_object() || !document.contains("schedulers") ||
      !document["schedulers"].is_array()) {
    return damaged();
  }
  ListedSchedulers listed;
  for (const auto& entry : document["schedulers"]) {
    if (!entry.is_object() || !entry.contains("ip") || !entry["ip"].is_string() ||
        !entry.contains("port") || !entry["port"].is_number_unsigned() ||
        entry["port"].get<std::uint64_t>() > 65535) {
      return damaged();
    }
    SchedulerEndpoint endpoint;
    endpoint.ip = entry["ip"].get<std::string>();
    endpoint.port = entry["port"].get<std::uint16_t>();
    if (entry.contains("hostname") && entry["hostname"].is_string()) {
      endpoint.hostname = entry["hostname"].get<std::string>();
    }
    if (entry.contains("cluster_id") && entry["cluster_id"].is_number_unsigned()) {
      endpoint.cluster_id = entry["cluster_id"].get<std::uint64_t>();
    }
    listed.endpoints.push_back(std::move(endpoint));
  }
  const auto block_lists = document.find("block_lists");
  if (block_lists == document.end() || !block_lists->is_object()) return listed;
  for (const auto& [cluster, text] : block_lists->items()) {
    std::uint64_t cluster_id = 0;
    if (!absl::SimpleAtoi(cluster, &cluster_id) || !text.is_string()) return damaged();
    auto blocked = ReadBlockList(text.get_ref<const std::string&>());
    if (!blocked.ok()) return damaged();
    listed.block_lists[cluster_id] = *std::move(blocked);
  }
  return listed;
}

}  // namespace dragonfly::dfdaemon
