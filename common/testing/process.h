#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace dragonfly {

/// A TCP port of 127.0.0.1 that nobody listened on a moment ago. Prefer port 0 where the server can
/// tell which one it got.
[[nodiscard]] std::uint16_t FreePort();

/// Absolute path of a program on $PATH or in /usr/sbin; nothing when it is not installed.
[[nodiscard]] std::optional<std::string> FindProgram(const std::string& name);

struct ProcessOptions {
  std::vector<std::string> argv = {};           ///< argv[0] is the path of the program.
  std::map<std::string, std::string> env = {};  ///< Added to ours.
  std::string dir = {};                         ///< Working directory; empty = ours.
  std::string output_file = {};                 ///< stdout and stderr; empty = /dev/null.
};

/// A child process that does not outlive this object: SIGTERM, and SIGKILL after 5 s.
class Process {
 public:
  [[nodiscard]] static absl::StatusOr<Process> Start(const ProcessOptions& options);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running();
  void Signal(int number) const;
  /// Waits for the end; the exit code, or 128 + signal as shells say. DeadlineExceeded.
  [[nodiscard]] absl::StatusOr<int> Wait(Duration limit = std::chrono::seconds(20));
  /// SIGTERM, and SIGKILL after `grace`. Nothing when it has ended.
  void Stop(Duration grace = std::chrono::seconds(5));
  /// SIGKILL and wait: a crash.
  void Kill();

 private:
  explicit Process(pid_t pid) : pid_(pid) {}

  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

/// A real server (redis-server, nginx, …) on a free port of 127.0.0.1, ready for connections.
class RealServer {
 public:
  /// Starts `options` with `{port}` replaced in argv by a free port, and waits until it accepts
  /// connections; tries other ports when it ends early. Unavailable with its output otherwise.
  [[nodiscard]] static absl::StatusOr<RealServer> Start(const ProcessOptions& options,
                                                        Duration limit = std::chrono::seconds(20));

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// `127.0.0.1:<port>`.
  [[nodiscard]] std::string address() const;
  [[nodiscard]] Process& process() { return process_; }
  /// Starts the same command on the same port again, after Stop() or Kill() of the process.
  [[nodiscard]] absl::Status Restart(Duration limit = std::chrono::seconds(20));

 private:
  RealServer(ProcessOptions options, std::uint16_t port, Process process)
      : options_(std::move(options)), port_(port), process_(std::move(process)) {}

  ProcessOptions options_;
  std::uint16_t port_;
  Process process_;
};

/// An empty redis-server in `dir`. NotFound when it is not installed: skip the test.
[[nodiscard]] absl::StatusOr<RealServer> StartRedis(const std::string& dir);

}  // namespace dragonfly
