#include "dfdaemon/storage/task_state.h"

#include <algorithm>
#include <cstring>

#include "common/base/check.h"

namespace dragonfly::dfdaemon {
namespace {

// Touch() is called for every request; the record need not follow that closely.
constexpr auto kSaveTouchAfter = std::chrono::seconds(30);
// Parents of the latest pieces are looked through; one that is further back is kept twice.
constexpr std::size_t kParentsSearched = 128;

void PackText(const std::string& text, std::string& out) {
  const auto length = static_cast<std::uint32_t>(text.size());
  char bytes[sizeof(length)];
  std::memcpy(bytes, &length, sizeof(length));
  out.append(bytes, sizeof(length));
  out += text;
}

std::string PackHeaders(const HeaderList& headers) {
  std::string packed;
  for (const auto& [name, value] : headers) {
    PackText(name, packed);
    PackText(value, packed);
  }
  packed.shrink_to_fit();
  return packed;
}

WallTime FromNanoseconds(std::int64_t value) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(value)));
}

std::string UnpackText(std::string_view& packed) {
  std::uint32_t length = 0;
  std::memcpy(&length, packed.data(), sizeof(length));
  packed.remove_prefix(sizeof(length));
  std::string text(packed.substr(0, length));
  packed.remove_prefix(length);
  return text;
}

}  // namespace

TaskState::TaskState(TaskRow row, PieceLayout layout, std::shared_ptr<Metadata> metadata,
                     const Clock& clock)
    : kind_(row.spec.kind),
      id_(std::move(row.spec.id)),
      row_(row.row),
      layout_(layout),
      persistent_(row.spec.persistent),
      ttl_(row.spec.ttl),
      packed_headers_(PackHeaders(row.spec.response_headers)),
      metadata_(std::move(metadata)),
      clock_(clock),
      slots_(layout.piece_count()),
      times_(row.times),
      saved_updated_at_(row.times.updated_at) {}

TaskSpec TaskState::Spec() const {
  TaskSpec spec;
  spec.kind = kind_;
  spec.id = id_;
  spec.piece_length = layout_.piece_length();
  spec.content_length = layout_.content_length();
  spec.persistent = persistent_;
  spec.ttl = ttl_;
  for (std::string_view packed = packed_headers_; !packed.empty();) {
    std::string name = UnpackText(packed);
    std::string value = UnpackText(packed);
    spec.response_headers.emplace_back(std::move(name), std::move(value));
  }
  return spec;
}

TaskTimes TaskState::Times() const {
  const MutexLock lock(mutex_);
  return times_;
}

StoredTaskSummary TaskState::Summary() const {
  StoredTaskSummary summary;
  summary.kind = kind_;
  summary.id = id_;
  summary.content_length = layout_.content_length();
  summary.persistent = persistent_;
  summary.ttl = ttl_;
  const MutexLock lock(mutex_);
  summary.times = times_;
  summary.complete = finished_ == layout_.piece_count();
  summary.pinned = pins_ > 0;
  return summary;
}

std::uint32_t TaskState::InternParent(const PeerId& parent) {
  const std::size_t begin = parents_.size() - std::min(parents_.size(), kParentsSearched);
  for (std::size_t i = parents_.size(); i > begin; --i) {
    if (*parents_[i - 1] == parent) return static_cast<std::uint32_t>(i - 1);
  }
  parents_.push_back(std::make_unique<const PeerId>(parent));
  return static_cast<std::uint32_t>(parents_.size() - 1);
}

TaskState::Slot& TaskState::Fill(const PieceRecord& record) {
  Slot& slot = slots_[record.number];
  slot.cost = record.cost.count();
  slot.created_at =
      std::chrono::duration_cast<std::chrono::nanoseconds>(record.created_at.time_since_epoch())
          .count();
  slot.crc32 = record.crc32.value_or(0);
  slot.has_crc32 = record.crc32.has_value();
  slot.parent = InternParent(record.parent_id);
  slot.traffic_type = record.traffic_type;
  return slot;
}

PieceRecord TaskState::RecordOf(PieceNumber number) const {
  const Slot& slot = slots_[number];
  const PieceSpan span = layout_.At(number);
  PieceRecord record;
  record.number = number;
  record.offset = span.offset;
  record.length = span.length;
  if (slot.has_crc32) record.crc32 = slot.crc32;
  record.parent_id = *parents_[slot.parent];
  record.traffic_type = slot.traffic_type;
  record.cost = std::chrono::nanoseconds(slot.cost);
  record.created_at = FromNanoseconds(slot.created_at);
  return record;
}

bool TaskState::RestorePiece(const PieceRecord& record, bool verified) {
  if (record.number >= layout_.piece_count()) return false;
  const PieceSpan span = layout_.At(record.number);
  if (record.offset != span.offset || record.length != span.length) return false;
  const MutexLock lock(mutex_);
  Slot& slot = Fill(record);
  slot.state = verified ? PieceState::kFinished : PieceState::kUnverified;
  ++(verified ? finished_ : unverified_);
  return true;
}

TaskState::PieceState TaskState::StateOf(PieceNumber number) const {
  if (number >= layout_.piece_count()) return PieceState::kAbsent;
  const MutexLock lock(mutex_);
  return slots_[number].state;
}

std::optional<PieceRecord> TaskState::Piece(PieceNumber number) const {
  if (number >= layout_.piece_count()) return std::nullopt;
  const MutexLock lock(mutex_);
  if (slots_[number].state != PieceState::kFinished) return std::nullopt;
  return RecordOf(number);
}

std::optional<PieceLocation> TaskState::Locate(PieceNumber number) const {
  if (number >= layout_.piece_count()) return std::nullopt;
  const PieceSpan span = layout_.At(number);
  PieceLocation location;
  location.offset = span.offset;
  location.length = span.length;
  const MutexLock lock(mutex_);
  const Slot& slot = slots_[number];
  if (slot.state != PieceState::kFinished) return std::nullopt;
  if (slot.has_crc32) location.crc32 = slot.crc32;
  location.parent_id = parents_[slot.parent]->str();
  location.cost = std::chrono::nanoseconds(slot.cost);
  location.created_at = FromNanoseconds(slot.created_at);
  return location;
}

std::vector<PieceRecord> TaskState::Pieces() const {
  std::vector<PieceRecord> pieces;
  const MutexLock lock(mutex_);
  pieces.reserve(finished_);
  for (PieceNumber number = 0; number < slots_.size(); ++number) {
    if (slots_[number].state == PieceState::kFinished) pieces.push_back(RecordOf(number));
  }
  return pieces;
}

PieceNumber TaskState::finished() const {
  const MutexLock lock(mutex_);
  return finished_;
}

PieceNumber TaskState::started() const {
  const MutexLock lock(mutex_);
  return finished_ + unverified_ + claimed_;
}

bool TaskState::HoldsPieces() const {
  const MutexLock lock(mutex_);
  return finished_ + unverified_ > 0;
}

TaskState::PieceState TaskState::Claim(PieceNumber number) {
  const MutexLock lock(mutex_);
  Slot& slot = slots_[number];
  const PieceState before = slot.state;
  if (before == PieceState::kAbsent) {
    slot.state = PieceState::kClaimed;
    ++claimed_;
  }
  return before;
}

void TaskState::Unclaim(PieceNumber number) {
  std::shared_ptr<ComingPiece> coming;
  {
    const MutexLock lock(mutex_);
    DF_DCHECK(slots_[number].state == PieceState::kClaimed);
    slots_[number].state = PieceState::kAbsent;
    --claimed_;
    coming = TakeComing(number);
  }
  if (coming != nullptr) coming->End(ComingPiece::State::kLost);
  Tell({TaskEvent::Kind::kPieceReleased, number});
}

void TaskState::PassOn(std::shared_ptr<ComingPiece> piece) {
  const PieceNumber number = piece->number();
  {
    const MutexLock lock(mutex_);
    DF_DCHECK(slots_[number].state == PieceState::kClaimed);
    coming_.push_back(std::move(piece));
  }
  Tell({TaskEvent::Kind::kPieceComing, number});
}

void TaskState::Lose(PieceNumber number) {
  std::shared_ptr<ComingPiece> coming;
  {
    const MutexLock lock(mutex_);
    coming = TakeComing(number);
  }
  if (coming == nullptr) return;
  coming->End(ComingPiece::State::kLost);
  Tell({TaskEvent::Kind::kPieceReleased, number});
}

std::shared_ptr<ComingPiece> TaskState::Coming(PieceNumber number) const {
  const MutexLock lock(mutex_);
  for (const auto& piece : coming_) {
    if (piece->number() == number) return piece;
  }
  return nullptr;
}

std::shared_ptr<ComingPiece> TaskState::TakeComing(PieceNumber number) {
  for (auto& piece : coming_) {
    if (piece->number() != number) continue;
    auto taken = std::move(piece);
    std::swap(piece, coming_.back());
    coming_.pop_back();
    return taken;
  }
  return nullptr;
}

void TaskState::PublishPiece(const PieceRecord& record) {
  metadata_->WaitForRoom();
  std::shared_ptr<ComingPiece> coming;
  {
    const MutexLock lock(mutex_);
    DF_DCHECK(slots_[record.number].state == PieceState::kClaimed);
    Fill(record).state = PieceState::kFinished;
    --claimed_;
    ++finished_;
    // In the queue before anybody can drop the piece or remove the task again.
    if (!removed_) metadata_->PutPiece(row_, record);
    coming = TakeComing(record.number);
  }
  if (coming != nullptr) coming->End(ComingPiece::State::kFinished);
  Tell({TaskEvent::Kind::kPieceFinished, record.number});
}

void TaskState::DropPiece(PieceNumber number) {
  if (number >= layout_.piece_count()) return;
  {
    const MutexLock lock(mutex_);
    if (slots_[number].state != PieceState::kFinished) return;
    slots_[number].state = PieceState::kAbsent;
    --finished_;
    if (!removed_) last_drop_ = metadata_->DropPiece(row_, number);
  }
  Tell({TaskEvent::Kind::kPieceReleased, number});
}

void TaskState::DropDamagedPiece(PieceNumber number) {
  Doubt();
  DropPiece(number);
}

void TaskState::MarkWritten() {
  written_.store(true, std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  stamp_.reset();
}

bool TaskState::settled() const {
  const MutexLock lock(mutex_);
  return finished_ == slots_.size();
}

void TaskState::Settle(const FileStamp& stamp) {
  const MutexLock lock(mutex_);
  if (finished_ != slots_.size()) return;
  stamp_ = stamp;
  doubtful_ = false;
}

std::optional<FileStamp> TaskState::stamp() const {
  const MutexLock lock(mutex_);
  return stamp_;
}

void TaskState::Doubt() {
  const MutexLock lock(mutex_);
  doubtful_ = true;
}

bool TaskState::doubtful() const {
  const MutexLock lock(mutex_);
  return doubtful_;
}

WallTime TaskState::last_piece_at() const {
  const MutexLock lock(mutex_);
  std::int64_t last = 0;
  for (const Slot& slot : slots_) last = std::max(last, slot.created_at);
  return FromNanoseconds(last);
}

Metadata::Ticket TaskState::last_drop() const {
  const MutexLock lock(mutex_);
  return last_drop_;
}

std::optional<TaskState::Unverified> TaskState::NextUnverified(PieceNumber from) const {
  const MutexLock lock(mutex_);
  for (PieceNumber number = from; number < slots_.size(); ++number) {
    const Slot& slot = slots_[number];
    if (slot.state != PieceState::kUnverified) continue;
    Unverified result{.number = number, .crc32 = std::nullopt};
    if (slot.has_crc32) result.crc32 = slot.crc32;
    return result;
  }
  return std::nullopt;
}

void TaskState::Verified(PieceNumber number, bool good) {
  {
    const MutexLock lock(mutex_);
    if (slots_[number].state != PieceState::kUnverified) return;
    --unverified_;
    slots_[number].state = good ? PieceState::kFinished : PieceState::kAbsent;
    if (good) ++finished_;
    if (!good && !removed_) last_drop_ = metadata_->DropPiece(row_, number);
  }
  Tell({good ? TaskEvent::Kind::kPieceFinished : TaskEvent::Kind::kPieceReleased, number});
}

void TaskState::AllVerified() {
  const MutexLock lock(mutex_);
  if (!removed_) metadata_->ClearSuspect(row_);
}

void TaskState::SaveTimesLocked() {
  saved_updated_at_ = times_.updated_at;
  if (!removed_) metadata_->PutTimes(row_, times_);
}

void TaskState::SaveTimes() {
  const MutexLock lock(mutex_);
  if (saved_updated_at_ != times_.updated_at) SaveTimesLocked();
}

void TaskState::MarkFinished() {
  {
    const MutexLock lock(mutex_);
    times_.finished_at = times_.updated_at = clock_.WallNow();
    times_.failed_at.reset();
    SaveTimesLocked();
  }
  Tell({TaskEvent::Kind::kTaskFinished, 0});
}

void TaskState::MarkFailed() {
  {
    const MutexLock lock(mutex_);
    times_.failed_at = times_.updated_at = clock_.WallNow();
    SaveTimesLocked();
  }
  Tell({TaskEvent::Kind::kTaskFailed, 0});
}

void TaskState::ClearFailed() {
  const MutexLock lock(mutex_);
  if (!times_.failed_at.has_value()) return;
  times_.failed_at.reset();
  SaveTimesLocked();
}

bool TaskState::MarkPrefetched() {
  const MutexLock lock(mutex_);
  if (times_.prefetched_at.has_value()) return false;
  times_.prefetched_at = clock_.WallNow();
  SaveTimesLocked();
  return true;
}

void TaskState::ClearPrefetched() {
  const MutexLock lock(mutex_);
  if (!times_.prefetched_at.has_value()) return;
  times_.prefetched_at.reset();
  SaveTimesLocked();
}

void TaskState::Touch() {
  const WallTime now = clock_.WallNow();
  const MutexLock lock(mutex_);
  times_.updated_at = now;
  if (now - saved_updated_at_ >= kSaveTouchAfter) SaveTimesLocked();
}

bool TaskState::Remove(std::optional<WallTime> not_used_since, Metadata::Ticket& ticket) {
  {
    const MutexLock lock(mutex_);
    if (not_used_since.has_value() && (pins_ > 0 || times_.updated_at > *not_used_since)) {
      return false;
    }
    DF_DCHECK(!removed_);
    ticket = metadata_->DropTask(row_);
    removed_ = true;
  }
  Tell({TaskEvent::Kind::kTaskRemoved, 0});
  return true;
}

bool TaskState::removed() const {
  const MutexLock lock(mutex_);
  return removed_;
}

std::uint64_t TaskState::AddListener(Listener listener) {
  const MutexLock lock(listeners_mutex_);
  listeners_.emplace_back(next_listener_, std::move(listener));
  return next_listener_++;
}

void TaskState::RemoveListener(std::uint64_t key) {
  const MutexLock lock(listeners_mutex_);
  std::erase_if(listeners_, [key](const auto& entry) { return entry.first == key; });
}

void TaskState::Tell(TaskEvent event) {
  const MutexLock lock(listeners_mutex_);
  for (const auto& [key, listener] : listeners_) listener(event);
}

void TaskState::Pin() {
  const MutexLock lock(mutex_);
  ++pins_;
}

void TaskState::Unpin() {
  const MutexLock lock(mutex_);
  --pins_;
}

bool TaskState::pinned() const {
  const MutexLock lock(mutex_);
  return pins_ > 0;
}

}  // namespace dragonfly::dfdaemon
