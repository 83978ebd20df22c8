#include "dfdaemon/task/caller.h"

#include <utility>

namespace dragonfly::dfdaemon {

Caller::Caller(asio::any_io_executor io, Wish wish, const StoredTask& stored, Found found)
    : wish_(std::move(wish)),
      changed_(std::move(io)),
      here_(wish_.run.count, false),
      told_(wish_.run.count, false),
      missing_(wish_.run.count) {
  for (PieceNumber i = 0; i < wish_.run.count; ++i) {
    if (!stored.HasPiece(wish_.run.first + i)) continue;
    here_[i] = told_[i] = true;
    --missing_;
    ready_.push_back({wish_.run.first + i, found == Found::kLocal});
  }
}

void Caller::Arrived(PieceNumber number) {
  const PieceNumber i = number - wish_.run.first;
  if (i >= wish_.run.count || here_[i]) return;
  here_[i] = true;
  --missing_;
  if (detached_ || told_[i]) return;
  told_[i] = true;
  ready_.push_back({number, false});
  changed_.Notify();
}

void Caller::Lost(PieceNumber number) {
  const PieceNumber i = number - wish_.run.first;
  if (i >= wish_.run.count || !here_[i]) return;
  here_[i] = false;
  ++missing_;
}

void Caller::End(absl::Status status) {
  if (end_) return;
  end_ = std::move(status);
  changed_.Notify();
}

void Caller::Detach() {
  detached_ = true;
  ready_.clear();
}

std::optional<Caller::Ready> Caller::TakeReady() {
  if (ready_.empty()) return std::nullopt;
  const Ready ready = ready_.front();
  ready_.pop_front();
  return ready;
}

}  // namespace dragonfly::dfdaemon
