#include "scheduler/swarm/host.h"

#include <utility>

namespace dragonfly::scheduler {

std::string_view HostTypeName(HostType type) {
  return type == HostType::kSuper ? "super" : "normal";
}

Host::Host(HostInfo info, SteadyTime now)
    : id_(info.id),
      created_(now),
      updated_(now),
      info_(std::make_shared<const HostInfo>(std::move(info))) {}

std::shared_ptr<const HostInfo> Host::info() const {
  const MutexLock lock(mutex_);
  return info_;
}

void Host::Update(HostInfo info, SteadyTime now) {
  auto fresh = std::make_shared<const HostInfo>(std::move(info));
  Touch(now);
  const MutexLock lock(mutex_);
  info_ = std::move(fresh);
  version_.fetch_add(1, std::memory_order_release);
}

void Host::AddUpload(const UploadShare& share) {
  upload_count_.fetch_add(1, std::memory_order_relaxed);
  concurrent_upload_count_.fetch_add(1, std::memory_order_relaxed);
  tx_bandwidth_.fetch_add(share.tx_bandwidth, std::memory_order_relaxed);
  concurrent_piece_count_.fetch_add(share.piece_count, std::memory_order_relaxed);
  content_length_.fetch_add(share.content_length, std::memory_order_relaxed);
}

void Host::RemoveUpload(const UploadShare& share) {
  concurrent_upload_count_.fetch_sub(1, std::memory_order_relaxed);
  tx_bandwidth_.fetch_sub(share.tx_bandwidth, std::memory_order_relaxed);
  concurrent_piece_count_.fetch_sub(share.piece_count, std::memory_order_relaxed);
  content_length_.fetch_sub(share.content_length, std::memory_order_relaxed);
}

UploadLoad Host::load() const {
  UploadLoad load;
  load.upload_count = upload_count_.load(std::memory_order_relaxed);
  load.concurrent_upload_count = concurrent_upload_count_.load(std::memory_order_relaxed);
  load.tx_bandwidth = tx_bandwidth_.load(std::memory_order_relaxed);
  load.concurrent_piece_count = concurrent_piece_count_.load(std::memory_order_relaxed);
  load.content_length = content_length_.load(std::memory_order_relaxed);
  return load;
}

}  // namespace dragonfly::scheduler
