#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "common/base/types.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

struct Flags {
  std::uint64_t size_mib = 4096;
  std::uint64_t piece_kib = 8192;
  std::size_t concurrent = 8;
  std::size_t threads = 2;
  std::size_t channels = 8;
  std::uint64_t buffer_kib = 256;
  std::uint64_t low_water_kib = 128;
  std::uint64_t receive_buffer_kib = 0;
  unsigned rounds = 5;
  bool vortex_only = false;
  std::string source_dir = "/tmp";
  std::string target_dir = "/tmp";
};

/// Two nodes, each in a process of its own that ends with the function.
struct Protocol {
  /// Serves what is in `dir` until `done` can be read; writes its port, two bytes, to `port_out`.
  void (*parent)(const Flags& flags, const std::string& dir, int port_out, int done);
  /// Fetches all pieces from 127.0.0.1:`port` into `dir`; writes the seconds it took, a double, to
  /// `seconds_out`.
  void (*child)(const Flags& flags, const std::string& dir, std::uint16_t port, int seconds_out);
};

/// As the daemon does it: Vortex, sendfile, receive with CRC-32.
extern const Protocol kVortex;
/// DownloadPiece, a piece as one message, as between daemons before Vortex.
extern const Protocol kGrpc;

[[nodiscard]] const TaskId& BenchTask();
[[noreturn]] void Die(const absl::Status& status);
std::unique_ptr<Storage> OpenStorage(const std::string& dir, bool keep, const Clock& clock);
std::shared_ptr<StoredTask> CreateTask(Storage& storage, const Flags& flags);

}  // namespace dragonfly::dfdaemon
