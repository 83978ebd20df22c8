#include "dfdaemon/source/redirect_cache.h"

namespace dragonfly::dfdaemon {

std::optional<std::string> RedirectCache::Find(const std::string& key) {
  const MutexLock lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return std::nullopt;
  if (clock_.Now() >= found->second->expires) {
    entries_.erase(found->second);
    index_.erase(found);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->target;
}

void RedirectCache::Put(const std::string& key, std::string target) {
  if (capacity_ == 0 || ttl_ <= Duration::zero()) return;
  const MutexLock lock(mutex_);
  if (const auto found = index_.find(key); found != index_.end()) {
    entries_.erase(found->second);
    index_.erase(found);
  }
  entries_.push_front(Entry{key, std::move(target), clock_.Now() + ttl_});
  index_[key] = entries_.begin();
  while (entries_.size() > capacity_) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

void RedirectCache::Drop(const std::string& key) {
  const MutexLock lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  entries_.erase(found->second);
  index_.erase(found);
}

std::size_t RedirectCache::size() const {
  const MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace dragonfly::dfdaemon
