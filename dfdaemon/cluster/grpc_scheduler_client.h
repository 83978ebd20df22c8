#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "common/async/awaitable.h"
#include "common/async/task_group.h"
#include "common/rpc/channel.h"
#include "dfdaemon/cluster/announcer.h"
#include "dfdaemon/cluster/scheduler_client.h"
#include "dfdaemon/cluster/scheduler_directory.h"
#include "dfdaemon/cluster/scheduler_queries.h"

namespace dragonfly::dfdaemon {

struct SchedulerClientOptions {
  HostId host_id;
  std::uint32_t concurrent_piece_count = 8;  ///< Sent with every registration.
  std::chrono::milliseconds call_timeout{10'000};
  /// From the registration to the scheduler's first answer.
  std::chrono::milliseconds first_answer_timeout{15'000};
  /// For reports that are still queued when a conversation is let go.
  std::chrono::milliseconds flush_timeout{5'000};
  std::function<void(const std::string& text)> warn;
};

/// Reports that may wait in one conversation; see PeerConversation::Report().
inline constexpr std::size_t kMaxQueuedReports = 4096;

/// Calls go to the scheduler that owns the task by the ring. One that cannot be reached is taken
/// out of the directory, and the next owner is asked. Runs on: the `io` executor.
class GrpcSchedulerClient final : public SchedulerClient, public SchedulerQueries {
 public:
  GrpcSchedulerClient(asio::any_io_executor executor, SchedulerClientOptions options,
                      rpc::ChannelPool& channels, SchedulerDirectory& directory,
                      Announcer& announcer);

  Awaitable<absl::StatusOr<std::unique_ptr<PeerConversation>>> AnnouncePeer(
      PeerIdentity peer, DownloadRequest request, ActualSizes sizes) override;
  Awaitable<absl::Status> DeleteTask(HostId host, TaskId task) override;
  Awaitable<absl::StatusOr<pb::common::Task>> StatTask(TaskId task) override;
  Awaitable<absl::Status> DeleteHost() override;

  /// Lets queued reports leave, then ends what is left. Conversations must be gone.
  Awaitable<> Stop();

 private:
  const asio::any_io_executor executor_;
  const SchedulerClientOptions options_;
  rpc::ChannelPool& channels_;
  SchedulerDirectory& directory_;
  Announcer& announcer_;
  TaskGroup group_;
};

}  // namespace dragonfly::dfdaemon
