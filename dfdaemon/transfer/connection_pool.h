#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "common/base/clock.h"
#include "dfdaemon/transfer/piece_fetcher.h"
#include "dfdaemon/transfer/tcp_stream.h"

namespace dragonfly::dfdaemon {

/// A connection to a parent.
class ParentConnection {
 public:
  explicit ParentConnection(TcpStream::Socket socket) : stream_(std::move(socket)) {}

  [[nodiscard]] TcpStream& stream() { return stream_; }
  /// Where header and metadata of an answer are collected.
  [[nodiscard]] std::vector<std::byte>& head() { return head_; }

  /// Waits for reading end only when so many bytes are there (SO_RCVLOWAT), or the end of the
  /// stream.
  void SetLowWater(std::size_t bytes);
  /// Nothing to read, not closed: the next answer will be that to the next request.
  [[nodiscard]] bool quiet();

 private:
  TcpStream stream_;
  std::vector<std::byte> head_;
  std::size_t low_water_ = 1;
};

/// Connections that wait for the next piece, of one executor. Not thread-safe.
class ConnectionPool {
 public:
  struct Options {
    std::size_t max_per_parent = 16;
    std::size_t max_total = 256;
    Duration max_idle = std::chrono::seconds(30);
  };

  explicit ConnectionPool(Options options) : options_(options) {}

  /// The one used last, because it is the likeliest to be alive; null when there is none.
  [[nodiscard]] std::unique_ptr<ParentConnection> Take(const VortexAddress& parent, SteadyTime now);
  /// Closes it instead when there are too many already, or after Close().
  void Put(const VortexAddress& parent, std::unique_ptr<ParentConnection> connection,
           SteadyTime now);
  /// Drops the connections to a parent.
  void Forget(const VortexAddress& parent);
  /// Drops what was idle for too long or was closed by the parent.
  void Sweep(SteadyTime now);
  void Close();

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Idle {
    std::unique_ptr<ParentConnection> connection;
    SteadyTime since;
  };

  [[nodiscard]] bool Usable(Idle& idle, SteadyTime now) const;

  const Options options_;
  std::map<VortexAddress, std::vector<Idle>> idle_;
  std::size_t size_ = 0;
  bool closed_ = false;
};

}  // namespace dragonfly::dfdaemon
