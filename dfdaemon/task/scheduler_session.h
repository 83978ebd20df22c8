#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/async/notifier.h"
#include "dfdaemon/task/next_step.h"
#include "dfdaemon/task/task_env.h"

namespace dragonfly::dfdaemon {

/// One peer's conversation with its scheduler, as a driver sees it: nothing waits, answers are taken
/// when they are there. It outlives the driver by the moments that the scheduler needs to end it.
/// Runs on: the `io` executor.
class SchedulerSession : public std::enable_shared_from_this<SchedulerSession> {
 public:
  /// `changed` is notified of every answer and of the end.
  SchedulerSession(TaskEnv& env, Notifier changed);

  /// Registers in the background. Once.
  void Start(PeerIdentity peer, DownloadRequest request, ActualSizes sizes);

  [[nodiscard]] RoundView::Scheduler state() const { return state_; }
  /// Why the scheduler is gone; OK when it ended the conversation itself.
  [[nodiscard]] const absl::Status& error() const { return error_; }
  [[nodiscard]] std::optional<ScheduleDecision> Take();

  /// Dropped when the scheduler is gone or was never reached.
  void Report(PeerReport report);
  /// Reports the reschedule and waits for an answer from now on.
  void Reschedule(std::vector<CandidateParent> used, std::string description);

  /// Nothing more will be reported or taken. The scheduler has a few seconds to end the conversation,
  /// which it does after a final report.
  void Close();

 private:
  static Awaitable<> Run(std::shared_ptr<SchedulerSession> self, PeerIdentity peer,
                         DownloadRequest request, ActualSizes sizes);
  void Gone(absl::Status error);

  TaskEnv& env_;
  Notifier changed_;
  RoundView::Scheduler state_ = RoundView::Scheduler::kAsked;
  absl::Status error_;
  std::unique_ptr<PeerConversation> conversation_;
  std::deque<ScheduleDecision> decisions_;
  asio::steady_timer stop_;    // For StopNow().
  asio::steady_timer closing_; // Runs from Close() on.
  bool closed_ = false;
};

/// Tells the scheduler of content that is here already, so that it can send others: registers for
/// metadata only, or as the scheduler wants it, and reports success. In the background.
void AnnounceLocalContent(TaskEnv& env, PeerIdentity peer, DownloadRequest request,
                          std::shared_ptr<StoredTask> stored);

}  // namespace dragonfly::dfdaemon
