#include "scheduler/swarm/states.h"

namespace dragonfly::scheduler {

std::string_view Name(PeerState state) {
  switch (state) {
    case PeerState::kPending: return "Pending";
    case PeerState::kReceivedEmpty: return "ReceivedEmpty";
    case PeerState::kReceivedTiny: return "ReceivedTiny";
    case PeerState::kReceivedSmall: return "ReceivedSmall";
    case PeerState::kReceivedNormal: return "ReceivedNormal";
    case PeerState::kRunning: return "Running";
    case PeerState::kBackToSource: return "BackToSource";
    case PeerState::kSucceeded: return "Succeeded";
    case PeerState::kFailed: return "Failed";
    case PeerState::kLeave: return "Leave";
  }
  return "";
}

std::string_view Name(PeerEvent event) {
  switch (event) {
    case PeerEvent::kRegisterEmpty: return "RegisterEmpty";
    case PeerEvent::kRegisterTiny: return "RegisterTiny";
    case PeerEvent::kRegisterSmall: return "RegisterSmall";
    case PeerEvent::kRegisterNormal: return "RegisterNormal";
    case PeerEvent::kDownload: return "Download";
    case PeerEvent::kDownloadBackToSource: return "DownloadBackToSource";
    case PeerEvent::kDownloadSucceeded: return "DownloadSucceeded";
    case PeerEvent::kDownloadFailed: return "DownloadFailed";
    case PeerEvent::kLeave: return "Leave";
  }
  return "";
}

std::string_view Name(TaskState state) {
  switch (state) {
    case TaskState::kPending: return "Pending";
    case TaskState::kRunning: return "Running";
    case TaskState::kSucceeded: return "Succeeded";
    case TaskState::kFailed: return "Failed";
    case TaskState::kLeave: return "Leave";
  }
  return "";
}

std::string_view Name(TaskEvent event) {
  switch (event) {
    case TaskEvent::kDownload: return "Download";
    case TaskEvent::kDownloadSucceeded: return "DownloadSucceeded";
    case TaskEvent::kDownloadFailed: return "DownloadFailed";
    case TaskEvent::kLeave: return "Leave";
  }
  return "";
}

std::optional<PeerState> After(PeerState state, PeerEvent event) {
  const bool received = IsReceived(state);
  const bool working = received || state == PeerState::kRunning;
  const auto when = [](bool allowed, PeerState next) {
    return allowed ? std::optional(next) : std::nullopt;
  };
  switch (event) {
    case PeerEvent::kRegisterEmpty:
      return when(state == PeerState::kPending, PeerState::kReceivedEmpty);
    case PeerEvent::kRegisterTiny:
      return when(state == PeerState::kPending, PeerState::kReceivedTiny);
    case PeerEvent::kRegisterSmall:
      return when(state == PeerState::kPending, PeerState::kReceivedSmall);
    case PeerEvent::kRegisterNormal:
      return when(state == PeerState::kPending, PeerState::kReceivedNormal);
    case PeerEvent::kDownload:
      return when(received, PeerState::kRunning);
    case PeerEvent::kDownloadBackToSource:
      return when(working, PeerState::kBackToSource);
    case PeerEvent::kDownloadSucceeded:
      return when(working || state == PeerState::kBackToSource, PeerState::kSucceeded);
    case PeerEvent::kDownloadFailed:
      return when(state != PeerState::kFailed && state != PeerState::kLeave, PeerState::kFailed);
    case PeerEvent::kLeave:
      return when(state != PeerState::kLeave, PeerState::kLeave);
  }
  return std::nullopt;
}

std::optional<TaskState> After(TaskState state, TaskEvent event) {
  switch (event) {
    case TaskEvent::kDownload:
      if (state == TaskState::kRunning) return std::nullopt;
      return TaskState::kRunning;
    case TaskEvent::kDownloadSucceeded:
      if (state == TaskState::kPending || state == TaskState::kSucceeded) return std::nullopt;
      return TaskState::kSucceeded;
    case TaskEvent::kDownloadFailed:
      if (state != TaskState::kRunning) return std::nullopt;
      return TaskState::kFailed;
    case TaskEvent::kLeave:
      if (state == TaskState::kLeave) return std::nullopt;
      return TaskState::kLeave;
  }
  return std::nullopt;
}

}  // namespace dragonfly::scheduler
