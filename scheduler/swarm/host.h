#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/types.h"

namespace dragonfly::scheduler {

/// The numbers are those of common.v2.Host.type.
enum class HostType : std::uint8_t { kNormal = 0, kSuper = 1, kStrong = 2, kWeak = 3 };

/// Everything but a normal host counts as a seed; only super ones are triggered.
[[nodiscard]] constexpr bool IsSeed(HostType type) { return type != HostType::kNormal; }
/// `normal` or `super`; the two types of old releases print as `normal`.
[[nodiscard]] std::string_view HostTypeName(HostType type);

/// Where a host stands, in hashes that ignore case, so that two hosts are compared without their
/// texts. Two places that share a hash by chance look nearer than they are, which harms nobody.
struct Place {
  static constexpr std::size_t kElements = 5;

  std::uint64_t idc = 0;       ///< 0: not announced.
  std::uint64_t location = 0;  ///< 0: not announced.
  std::uint32_t element_count = 0;  ///< Of the location, kElements at most.
  std::array<std::uint32_t, kElements> prefixes{};  ///< Of its first 1, 2, … elements.
};
/// Elements of `location` are separated by '|', widest first.
[[nodiscard]] Place PlaceOf(std::string_view idc, std::string_view location);

/// How busy a machine is, as it announced itself. Zeros: not announced.
struct MachineLoad {
  float cpu_percent = 0;
  float memory_percent = 0;
  float disk_percent = 0;            ///< Of its space.
  std::uint64_t disk_bandwidth = 0;  ///< Read and written, bytes per second.
};

/// What a host announced. Never changed once it is shared.
struct HostInfo {
  // What is looked at for every candidate stands together.
  Place place;  ///< Of `idc` and `location`; Host fills it in.
  std::uint64_t max_tx_bandwidth = 0;  ///< Bits per second; 0: not announced.
  MachineLoad load;
  HostType type = HostType::kNormal;
  bool disable_shared = false;
  /// Its daemon can have a peer as parent and child at once, see Task::MarkUnfit().
  bool trades = false;
  HostId id;
  std::string hostname;
  std::string ip;  ///< Without brackets.
  std::uint16_t port = 0;
  std::uint16_t download_port = 0;
  std::string idc;
  std::string location;
  Duration announce_interval{};        ///< 0: never collected.
  /// The common.v2.Host message it came in, for whoever is told about this host. No decision looks
  /// into it.
  std::string announced;
};

/// What one child costs its parent's host as long as it is its child.
struct UploadShare {
  std::uint64_t tx_bandwidth = 0;  ///< Bits per second.
  std::uint32_t piece_count = 0;
  std::uint64_t content_length = 0;
};

/// Counters that the score of stage one is made of. An estimate of our own, not what the host
/// announced.
struct UploadLoad {
  std::uint64_t upload_count = 0;
  std::int64_t concurrent_upload_count = 0;
  std::uint64_t tx_bandwidth = 0;
  std::uint64_t concurrent_piece_count = 0;
  std::uint64_t content_length = 0;
};

/// A daemon. Shared by all shards, thread-safe; lives as long as one of its peers.
class Host {
 public:
  /// Not `confirmed`: it announced itself in an earlier run of the scheduler and may be gone.
  Host(HostInfo info, SteadyTime updated, bool confirmed = true);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] const HostId& id() const { return id_; }
  /// Whether both are the same machine: one that left and came back is another Host.
  [[nodiscard]] bool IsSame(const Host& other) const {
    return this == &other || (id_hash_ == other.id_hash_ && id_ == other.id_);
  }
  [[nodiscard]] std::shared_ptr<const HostInfo> info() const;
  /// Changes when info() does; cheap, for those who keep a copy (see HostView).
  [[nodiscard]] std::uint32_t version() const { return version_.load(std::memory_order_acquire); }

  void Update(HostInfo info, SteadyTime now);
  /// It lives: announced itself, or a child got a piece from it.
  void Touch(SteadyTime now) {
    updated_.store(now, std::memory_order_relaxed);
    if (!confirmed()) confirmed_.store(true, std::memory_order_relaxed);
  }
  /// It was heard of in this run of the scheduler.
  [[nodiscard]] bool confirmed() const { return confirmed_.load(std::memory_order_relaxed); }
  [[nodiscard]] SteadyTime updated() const { return updated_.load(std::memory_order_relaxed); }
  [[nodiscard]] SteadyTime created() const { return created_; }

  void AddUpload(const UploadShare& share);
  /// Takes back exactly what AddUpload() added.
  void RemoveUpload(const UploadShare& share);
  void UploadFailed() { upload_failed_count_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] UploadLoad load() const;
  [[nodiscard]] std::uint64_t upload_failed_count() const {
    return upload_failed_count_.load(std::memory_order_relaxed);
  }

 private:
  // What is looked at for every candidate stands together.
  const std::uint64_t id_hash_;
  std::atomic<std::uint32_t> version_{1};
  std::atomic<bool> confirmed_;
  std::atomic<std::int64_t> concurrent_upload_count_{0};
  std::atomic<std::uint64_t> tx_bandwidth_{0};
  std::atomic<std::uint64_t> concurrent_piece_count_{0};
  std::atomic<std::uint64_t> content_length_{0};
  std::atomic<SteadyTime> updated_;
  std::atomic<std::uint64_t> upload_count_{0};
  std::atomic<std::uint64_t> upload_failed_count_{0};
  const SteadyTime created_;
  const HostId id_;

  mutable Mutex mutex_;
  std::shared_ptr<const HostInfo> info_ ABSL_GUARDED_BY(mutex_);
};

/// A shard's own look at a host: reading what was announced costs one atomic load. Not thread-safe.
class HostView {
 public:
  explicit HostView(std::shared_ptr<Host> host) : host_(std::move(host)) {}

  [[nodiscard]] Host& host() const { return *host_; }
  [[nodiscard]] const std::shared_ptr<Host>& shared() const { return host_; }
  /// Good until the next call: the host may announce itself anew at any moment.
  [[nodiscard]] const HostInfo& info() const {
    if (const std::uint32_t now = host_->version(); now != version_) {
      version_ = now;
      info_ = host_->info();
    }
    return *info_;
  }
  /// Brings nearer what info() and Host::load() will look at. Only a hint.
  void Prefetch() const {
    __builtin_prefetch(host_.get());
    if (info_ != nullptr) __builtin_prefetch(info_.get());
  }

 private:
  std::shared_ptr<Host> host_;
  mutable std::shared_ptr<const HostInfo> info_;
  mutable std::uint32_t version_ = 0;
};

}  // namespace dragonfly::scheduler
