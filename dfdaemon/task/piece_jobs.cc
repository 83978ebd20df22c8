#include "dfdaemon/task/piece_jobs.h"

#include <algorithm>
#include <utility>

#include "common/base/status_macros.h"

namespace dragonfly::dfdaemon {
namespace {

// Tells how far the piece is.
class WatchedWriter final : public PieceWriter {
 public:
  WatchedWriter(PieceWriter& writer, ClaimedPiece& piece) : writer_(writer), piece_(piece) {}

  [[nodiscard]] PieceNumber number() const override { return writer_.number(); }
  [[nodiscard]] std::uint64_t offset() const override { return writer_.offset(); }
  [[nodiscard]] std::uint64_t length() const override { return writer_.length(); }
  [[nodiscard]] std::uint64_t written() const override { return writer_.written(); }
  [[nodiscard]] std::uint32_t crc32() const override { return writer_.crc32(); }

  absl::Status Append(std::span<const std::byte> bytes) override {
    absl::Status status = writer_.Append(bytes);
    piece_.Received(writer_.written());
    return status;
  }
  void PassOn(std::uint32_t promised_crc32, PeerId parent_id) override {
    writer_.PassOn(promised_crc32, std::move(parent_id));
  }
  void Restart() override { writer_.Restart(); }
  absl::Status Commit(PieceRecord record, std::optional<std::uint32_t> expected_crc32) override {
    return writer_.Commit(std::move(record), expected_crc32);
  }

 private:
  PieceWriter& writer_;
  ClaimedPiece& piece_;
};

// Takes the piece when a parent begins to send it.
class Sink final : public PieceSink {
 public:
  Sink(ClaimedPiece& piece, std::uint32_t ask, const PeerId& parent_id)
      : piece_(piece), ask_(ask), parent_id_(parent_id) {}

  [[nodiscard]] PieceNumber number() const override { return piece_.number(); }
  [[nodiscard]] std::uint64_t offset() const override { return piece_.offset(); }
  [[nodiscard]] std::uint64_t length() const override { return piece_.length(); }
  PieceWriter* Begin(std::optional<std::uint32_t> promised_crc32) override {
    writer_ = piece_.Take(ask_);
    if (writer_ == nullptr) return nullptr;
    // Small ones are here before anybody could ask.
    if (promised_crc32 && piece_.passed_on() && length() > kUncountedLength) {
      writer_->PassOn(*promised_crc32, parent_id_);
    }
    watched_.emplace(*writer_, piece_);
    return &*watched_;
  }

  [[nodiscard]] PieceWriter& writer() { return *writer_; }

 private:
  ClaimedPiece& piece_;
  const std::uint32_t ask_;
  const PeerId& parent_id_;
  std::unique_ptr<PieceWriter> writer_;
  std::optional<WatchedWriter> watched_;
};

PieceRecord Describe(const PieceWriter& writer, const Clock& clock, SteadyTime started) {
  PieceRecord record;
  record.number = writer.number();
  record.offset = writer.offset();
  record.length = writer.length();
  record.crc32 = writer.crc32();
  record.cost = clock.Now() - started;
  record.created_at = clock.WallNow();
  return record;
}

// The pieces of one pass over the whole object, claimed as their turn comes.
class WholeObject final : public Source::PieceSequence {
 public:
  WholeObject(const Clock& clock, StoredTask& stored) : clock_(clock), stored_(stored) {}

  PieceWriter* Begin(PieceNumber number) override {
    writer_.reset();
    auto claim = stored_.ClaimPiece(number);
    if (!claim.ok() || claim->result != StoredTask::ClaimResult::kClaimed) return nullptr;
    writer_ = std::move(claim->writer);
    started_ = clock_.Now();
    return writer_.get();
  }

  absl::Status End(PieceNumber number) override {
    (void)number;
    if (writer_ == nullptr) return absl::OkStatus();
    PieceRecord record = Describe(*writer_, clock_, started_);
    record.traffic_type = TrafficType::kBackToSource;
    absl::Status status = writer_->Commit(std::move(record));
    writer_.reset();
    return status;
  }

 private:
  const Clock& clock_;
  StoredTask& stored_;
  std::unique_ptr<PieceWriter> writer_;
  SteadyTime started_;
};

}  // namespace

void Downlink::Moved(SteadyTime now, std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  limit_.Moved(now, bytes);
}

void Downlink::Began(SteadyTime now) {
  const MutexLock lock(mutex_);
  limit_.Began(now);
}

void Downlink::Ended(SteadyTime now) {
  const MutexLock lock(mutex_);
  limit_.Ended(now);
}

bool Downlink::MayBegin(SteadyTime now, std::uint64_t length, int more) {
  if (length <= kUncountedLength) return true;
  const MutexLock lock(mutex_);
  const int active = std::max(0, static_cast<int>(limit_.active()) + more);
  return limit_.MayBegin(now, length, static_cast<std::uint32_t>(active));
}

ClaimedPiece::ClaimedPiece(std::unique_ptr<PieceWriter> writer, Downlink& downlink,
                           const Clock& clock, std::function<void()> began, bool passed_on)
    : number_(writer->number()),
      offset_(writer->offset()),
      length_(writer->length()),
      downlink_(downlink),
      clock_(clock),
      began_(std::move(began)),
      passed_on_(passed_on),
      writer_(std::move(writer)) {}

std::unique_ptr<PieceWriter> ClaimedPiece::Take(std::uint32_t ask) {
  std::unique_ptr<PieceWriter> writer;
  {
    const MutexLock lock(mutex_);
    if (writer_ == nullptr) return nullptr;
    writer = std::move(writer_);
    taken_ = {ask, clock_.Now()};
  }
  began_();
  return writer;
}

bool ClaimedPiece::Close() {
  std::unique_ptr<PieceWriter> writer;
  const MutexLock lock(mutex_);
  if (taken_) return false;
  writer = std::move(writer_);
  return true;
}

std::optional<ClaimedPiece::Taken> ClaimedPiece::taken() const {
  const MutexLock lock(mutex_);
  return taken_;
}

void ClaimedPiece::Received(std::uint64_t bytes_so_far) {
  const std::uint64_t before = received_.exchange(bytes_so_far, std::memory_order_relaxed);
  if (bytes_so_far > before) downlink_.Moved(clock_.Now(), bytes_so_far - before);
}

Awaitable<absl::StatusOr<GotPiece>> GetFromParent(PieceFetcher& fetcher, const Clock& clock,
                                                  VortexAddress parent, PeerId parent_id,
                                                  TaskKind kind, TaskId id,
                                                  std::shared_ptr<ClaimedPiece> piece,
                                                  std::uint32_t ask) {
  // A local, so that the claim is given back before the caller goes on.
  Sink sink(*piece, ask, parent_id);
  CO_ASSIGN_OR_RETURN(const FetchedPiece fetched,
                      co_await fetcher.Fetch(std::move(parent), kind, std::move(id), sink));
  GotPiece got;
  got.verified = fetched.verified;
  // The time it took to come, not the time until it was its turn.
  got.record = Describe(sink.writer(), clock, piece->taken()->at);
  got.record.parent_id = std::move(parent_id);
  got.record.traffic_type = TrafficType::kRemotePeer;
  std::optional<std::uint32_t> expected;
  if (fetched.verified) expected = fetched.crc32;
  CO_RETURN_IF_ERROR(sink.writer().Commit(got.record, expected));
  co_return got;
}

Awaitable<absl::StatusOr<GotPiece>> GetFromSource(Source& source, const Clock& clock,
                                                  SourceRequest request,
                                                  std::uint64_t content_length,
                                                  std::shared_ptr<ClaimedPiece> piece,
                                                  std::uint32_t ask) {
  const std::unique_ptr<PieceWriter> claimed = piece->Take(ask);
  if (claimed == nullptr) co_return absl::CancelledError("the piece comes from elsewhere");
  WatchedWriter watched(*claimed, *piece);
  const SteadyTime started = clock.Now();
  CO_RETURN_IF_ERROR(co_await source.FetchPiece(std::move(request), content_length, watched));
  GotPiece got;
  got.record = Describe(*claimed, clock, started);
  got.record.traffic_type = TrafficType::kBackToSource;
  CO_RETURN_IF_ERROR(claimed->Commit(got.record));
  co_return got;
}

absl::Status CommitSpooledBlocking(SpooledContent& content, const Clock& clock,
                                   StoredTask& stored) {
  WholeObject pieces(clock, stored);
  return content.CopyTo(stored.spec().piece_length, pieces);
}

Awaitable<absl::Status> GetAllFromSource(Source& source, const Clock& clock, SourceRequest request,
                                         std::shared_ptr<StoredTask> stored) {
  WholeObject pieces(clock, *stored);
  const TaskSpec& spec = stored->spec();
  co_return co_await source.FetchAll(std::move(request), spec.content_length, spec.piece_length,
                                     pieces);
}

}  // namespace dragonfly::dfdaemon
