#include "scheduler/swarm/host.h"

#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/ascii.h"
#include "common/base/strings.h"

namespace dragonfly::scheduler {
namespace {

std::uint64_t HashOf(const std::string& text) {
  const std::uint64_t hash = absl::HashOf(text);
  return hash == 0 ? 1 : hash;
}

std::shared_ptr<const HostInfo> Shared(HostInfo info) {
  info.place = PlaceOf(info.idc, info.location);
  return std::make_shared<const HostInfo>(std::move(info));
}

}  // namespace

Place PlaceOf(std::string_view idc, std::string_view location) {
  Place place;
  if (!idc.empty()) place.idc = HashOf(absl::AsciiStrToLower(ToAbsl(idc)));
  if (location.empty()) return place;
  const std::string lower = absl::AsciiStrToLower(ToAbsl(location));
  place.location = HashOf(lower);
  std::size_t end = 0;
  while (place.element_count < Place::kElements && end != std::string::npos) {
    end = lower.find('|', end == 0 ? 0 : end + 1);
    place.prefixes[place.element_count++] =
        static_cast<std::uint32_t>(HashOf(lower.substr(0, end)));
  }
  return place;
}

std::string_view HostTypeName(HostType type) {
  return type == HostType::kSuper ? "super" : "normal";
}

Host::Host(HostInfo info, SteadyTime updated, bool confirmed)
    : id_hash_(HashOf(info.id.str())),
      confirmed_(confirmed),
      updated_(updated),
      created_(updated),
      id_(info.id),
      info_(Shared(std::move(info))) {}

std::shared_ptr<const HostInfo> Host::info() const {
  const MutexLock lock(mutex_);
  return info_;
}

void Host::Update(HostInfo info, SteadyTime now) {
  auto fresh = Shared(std::move(info));
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
