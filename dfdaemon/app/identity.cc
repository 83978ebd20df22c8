#include "dfdaemon/app/identity.h"

#include <cstdlib>

#include "common/base/strings.h"
#include "common/ids/ids.h"

namespace dragonfly::dfdaemon {
namespace {

std::optional<std::string> Environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace

PodNames PodNames::FromEnvironment() {
  return {Environment("POD_NAMESPACE"), Environment("POD_NAME")};
}

HostIdentity MakeIdentity(const Config& config, const PodNames& pod) {
  HostIdentity host;
  // The suffix goes with `enable`; only a super seed is of another type.
  host.is_seed = config.seed_peer.enable;
  host.type = config.host_type();
  host.hostname = config.host.hostname;
  host.ip = config.host.ip;
  host.id = MakeHostId(host.ip, host.hostname, host.is_seed);
  host.name = pod.pod_namespace && pod.pod_name ? StrCat(*pod.pod_namespace, "-", *pod.pod_name)
                                                : host.hostname;
  host.idc = config.host.idc;
  host.location = config.host.location;
  host.upload_port = config.upload.server_port;
  host.proxy_port = config.proxy.server_port;
  host.scheduler_cluster_id = config.host.scheduler_cluster_id;
  host.disable_shared = config.upload.disable_shared;
  return host;
}

}  // namespace dragonfly::dfdaemon
