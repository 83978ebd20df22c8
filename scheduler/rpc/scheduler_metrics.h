#pragma once

#include <cstdint>
#include <string>

namespace dragonfly::scheduler {

/// Label set A of the announce counters, as the host announced them; absent ones are empty.
struct AnnounceLabels {
  std::string os;
  std::string platform;
  std::string platform_family;
  std::string platform_version;
  std::string kernel_version;
  std::string git_version;
  std::string git_commit;
  std::string go_version;
  std::string build_platform;
};

/// The calls of scheduler.v2.Scheduler. Thread-safe, must not block. Counter names have the prefix
/// dragonfly_scheduler_.
class SchedulerMetrics {
 public:
  /// Calls with a `<name>_total` and a `<name>_failure_total` without labels.
  enum class Method : std::uint8_t {
    kStatPeer,      ///< stat_peer
    kDeletePeer,    ///< leave_peer
    kStatTask,      ///< stat_task
    kDeleteTask,    ///< leave_task
    kListHosts,     ///< list_hosts
    kDeleteHost,    ///< leave_host
    kPreheatImage,  ///< preheat_image
    kPreheatFile,   ///< preheat_file
    kStatImage,     ///< stat_image
    kStatFile,      ///< stat_file
  };

  virtual ~SchedulerMetrics() = default;
  virtual void Called(Method method) = 0;
  virtual void CallFailed(Method method) = 0;
  /// announce_host_total and announce_host_failure_total.
  virtual void HostAnnounced(const AnnounceLabels& labels) = 0;
  virtual void HostAnnounceFailed(const AnnounceLabels& labels) = 0;
  /// announce_peer_total; concurrent_schedule_total goes up.
  virtual void ConversationOpened() = 0;
  /// concurrent_schedule_total goes down; a failed one counts in announce_peer_failure_total.
  virtual void ConversationClosed(bool failed) = 0;
};

class NullSchedulerMetrics : public SchedulerMetrics {
 public:
  void Called(Method) override {}
  void CallFailed(Method) override {}
  void HostAnnounced(const AnnounceLabels&) override {}
  void HostAnnounceFailed(const AnnounceLabels&) override {}
  void ConversationOpened() override {}
  void ConversationClosed(bool) override {}
};

}  // namespace dragonfly::scheduler
