#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/types.h"

namespace dragonfly::dfdaemon {

/// What this host is called and where it serves; fixed while the process lives.
struct HostIdentity {
  HostId id;
  std::uint32_t type = 0;  ///< 0 normal, 1 super seed.
  bool is_seed = false;
  std::string hostname;
  std::string name;  ///< In Kubernetes `<namespace>-<pod>`, else the host name.
  std::string ip;
  std::string idc;                ///< Empty: unknown.
  std::string location;           ///< Empty: unknown.
  std::uint16_t upload_port = 0;  ///< gRPC.
  std::uint16_t proxy_port = 0;
  std::optional<std::uint64_t> scheduler_cluster_id;
  bool disable_shared = false;
};

}  // namespace dragonfly::dfdaemon
