#include "dfdaemon/transfer/connection_pool.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace dragonfly::dfdaemon {

void ParentConnection::SetLowWater(std::size_t bytes) {
  if (bytes == low_water_) return;
  const int value = static_cast<int>(bytes);
  if (::setsockopt(stream_.fd(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value)) == 0) {
    low_water_ = bytes;
  }
}

bool ParentConnection::quiet() {
  std::byte byte{};
  return ::recv(stream_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

bool ConnectionPool::Usable(Idle& idle, SteadyTime now) const {
  return now - idle.since < options_.max_idle && idle.connection->quiet();
}

std::unique_ptr<ParentConnection> ConnectionPool::Take(const VortexAddress& parent,
                                                       SteadyTime now) {
  const auto found = idle_.find(parent);
  if (found == idle_.end()) return nullptr;
  std::unique_ptr<ParentConnection> taken;
  while (taken == nullptr && !found->second.empty()) {
    Idle idle = std::move(found->second.back());
    found->second.pop_back();
    --size_;
    if (Usable(idle, now)) taken = std::move(idle.connection);
  }
  if (found->second.empty()) idle_.erase(found);
  return taken;
}

void ConnectionPool::Put(const VortexAddress& parent, std::unique_ptr<ParentConnection> connection,
                         SteadyTime now) {
  if (closed_ || size_ >= options_.max_total || options_.max_per_parent == 0) return;
  std::vector<Idle>& of_parent = idle_[parent];
  if (of_parent.size() >= options_.max_per_parent) return;
  of_parent.push_back({std::move(connection), now});
  ++size_;
}

void ConnectionPool::Forget(const VortexAddress& parent) {
  const auto found = idle_.find(parent);
  if (found == idle_.end()) return;
  size_ -= found->second.size();
  idle_.erase(found);
}

void ConnectionPool::Sweep(SteadyTime now) {
  for (auto at = idle_.begin(); at != idle_.end();) {
    size_ -= std::erase_if(at->second, [&](Idle& idle) { return !Usable(idle, now); });
    at = at->second.empty() ? idle_.erase(at) : std::next(at);
  }
}

void ConnectionPool::Close() {
  closed_ = true;
  idle_.clear();
  size_ = 0;
}

}  // namespace dragonfly::dfdaemon
