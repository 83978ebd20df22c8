#pragma once

#include <memory>
#include <string>

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include "absl/status/statusor.h"

namespace dragonfly::rpc {

/// Paths of PEM files. A server needs cert and key; with ca_cert it also requires and verifies
/// client certificates. A client verifies the server by ca_cert (empty: the system's authorities)
/// and shows cert and key when both are given.
struct TlsFiles {
  std::string ca_cert;
  std::string cert;
  std::string key;
};

/// Errors name the file: NotFound, PermissionDenied, InvalidArgument (no PEM in it). Blocks.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerTls(const TlsFiles& files);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientTls(const TlsFiles& files);

}  // namespace dragonfly::rpc
