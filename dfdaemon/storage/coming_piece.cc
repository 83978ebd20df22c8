#include "dfdaemon/storage/coming_piece.h"

#include <utility>

namespace dragonfly::dfdaemon {

ComingPiece::Watch::Watch(std::shared_ptr<ComingPiece> piece, std::function<void()> changed)
    : piece_(std::move(piece)), changed_(std::move(changed)) {
  const MutexLock lock(piece_->mutex_);
  piece_->watches_.push_back(&changed_);
}

ComingPiece::Watch::~Watch() {
  const MutexLock lock(piece_->mutex_);
  std::erase(piece_->watches_, &changed_);
}

ComingPiece::Progress ComingPiece::progress() const {
  const MutexLock lock(mutex_);
  return progress_;
}

void ComingPiece::Tell() {
  for (const auto* changed : watches_) (*changed)();
}

void ComingPiece::Written(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  progress_.written = bytes;
  Tell();
}

void ComingPiece::End(State state) {
  const MutexLock lock(mutex_);
  progress_.state = state;
  Tell();
}

}  // namespace dragonfly::dfdaemon
