#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace dragonfly::redis {

/// Where Redis is and who asks. Addresses are `host:port` (`[::1]:6379`). With a master name they are
/// those of sentinels; several without one are nodes of a cluster.
struct Options {
  std::vector<std::string> addresses;
  std::string master_name;
  /// Empty with a password: the default user.
  std::string username;
  std::string password;
  std::string sentinel_username;
  std::string sentinel_password;
  std::uint32_t database = 0;  ///< A cluster has only 0.
  /// Of a connect, and of each wait for bytes.
  Duration timeout = std::chrono::seconds(2);
};

/// A command and its arguments; any bytes.
using Command = std::vector<std::string>;

struct Reply {
  enum class Kind : std::uint8_t { kNothing, kText, kInteger, kList };
  Kind kind = Kind::kNothing;
  std::string text;  ///< Also of a status such as OK.
  std::int64_t integer = 0;
  std::vector<Reply> list;
};

/// One connection that waits for its answers: for a thread that may block. Not thread-safe. After
/// Unavailable it is of no use any more; open another one.
///
/// In a cluster all keys of one call must be in one slot (a hash tag does that); the connection
/// follows to the node that owns it.
class Connection {
 public:
  /// Tries the addresses in turn. Unauthenticated: user or password are refused (or the server wants
  /// none); PermissionDenied; InvalidArgument: an address is none; else Unavailable with what the
  /// last address said. The process must ignore SIGPIPE.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Options& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The answer. An error of Redis is Unavailable when a later try may succeed (it loads, its
  /// cluster has no master), PermissionDenied, or FailedPrecondition with Redis's words.
  absl::StatusOr<Reply> Run(const Command& command);
  /// All of them in one go; the answers are in their order. The first error is returned, the others
  /// were executed nevertheless. After a redirection all are sent again, so they must bear that.
  absl::StatusOr<std::vector<Reply>> Run(std::span<const Command> commands);

 private:
  struct Wire;

  explicit Connection(const Options& options);
  absl::Status Connect();
  absl::StatusOr<std::unique_ptr<Wire>> Dial(const std::string& address, const std::string& user,
                                             const std::string& password) const;
  absl::StatusOr<std::string> AskSentinel(const std::string& address) const;
  absl::Status CheckMaster();

  const Options options_;
  std::string address_;
  std::unique_ptr<Wire> wire_;
};

}  // namespace dragonfly::redis
