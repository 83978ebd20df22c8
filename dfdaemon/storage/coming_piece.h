#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"
#include "common/base/types.h"
#include "dfdaemon/storage/piece_record.h"

namespace dragonfly::dfdaemon {

/// A piece that a parent is sending, for those to whom it is passed on meanwhile. What was written
/// is in the content file, but not compared with the checksum yet: whoever passes it on keeps the
/// last bytes back until the piece is finished, so that no wrong one ever becomes whole elsewhere.
/// Thread-safe.
class ComingPiece {
 public:
  enum class State : std::uint8_t { kComing, kFinished, kLost };
  struct Progress {
    std::uint64_t written = 0;  ///< Bytes from the piece's start that may be read.
    State state = State::kComing;
  };

  /// `location` has the checksum that the parent promised; its parent_id is not used.
  ComingPiece(PieceNumber number, PieceLocation location, PeerId parent_id)
      : number_(number), location_(location), parent_id_(std::move(parent_id)) {
    location_.parent_id = parent_id_.str();
  }
  ComingPiece(const ComingPiece&) = delete;
  ComingPiece& operator=(const ComingPiece&) = delete;

  [[nodiscard]] PieceNumber number() const { return number_; }
  /// Valid as long as this object lives.
  [[nodiscard]] const PieceLocation& location() const { return location_; }
  [[nodiscard]] Progress progress() const;

  /// `changed` is called on whatever thread makes progress, so it must only post; not any more once
  /// the watch is gone.
  class Watch {
   public:
    Watch(std::shared_ptr<ComingPiece> piece, std::function<void()> changed);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    const std::shared_ptr<ComingPiece> piece_;
    const std::function<void()> changed_;
  };

  // The writer's side.
  void Written(std::uint64_t bytes);
  void End(State state);

 private:
  void Tell() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PieceNumber number_;
  PieceLocation location_;  // Constant after the constructor.
  const PeerId parent_id_;

  mutable Mutex mutex_;
  Progress progress_ ABSL_GUARDED_BY(mutex_);
  std::vector<const std::function<void()>*> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::dfdaemon
