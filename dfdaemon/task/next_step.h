#pragma once

#include <cstdint>

namespace dragonfly::dfdaemon {

/// What a download looks like to the one who decides how it goes on.
struct RoundView {
  enum class Scheduler : std::uint8_t {
    kAsked,  ///< An answer is on its way (or the connection).
    kIdle,   ///< It listens; nothing was asked.
    kGone,   ///< It could not be reached, or the conversation is over.
  };

  bool all_here = false;
  bool moving = false;         ///< Pieces are in flight, or can be asked for at once.
  bool parents_open = false;   ///< Some parent may still come to offer more.
  bool reading_source = false; ///< The source has been asked already.
  bool source_allowed = false; ///< By the callers and the kind of task.
  bool source_granted = false; ///< By the scheduler.
  bool more_parents_wanted = false;  ///< Few are known, and it is time to ask again.
  Scheduler scheduler = Scheduler::kAsked;
  std::uint32_t fruitless_answers = 0;  ///< Answers since the last piece.
  std::uint32_t max_fruitless_answers = 5;
};

enum class NextStep : std::uint8_t {
  kWait,
  kFinish,
  kAskForMoreParents,   ///< While others serve.
  kReschedule,          ///< The parents known are of no use any more.
  kGiveUpOnScheduler,   ///< Too many answers led to nothing.
  kReadSource,
  kFail,                ///< Nobody has the pieces, and the source is not to be asked.
};

[[nodiscard]] NextStep DecideNextStep(const RoundView& view);

}  // namespace dragonfly::dfdaemon
