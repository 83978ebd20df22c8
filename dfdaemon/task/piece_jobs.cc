#include "dfdaemon/task/piece_jobs.h"

#include <utility>

#include "common/base/status_macros.h"

namespace dragonfly::dfdaemon {
namespace {

// Tells how far the piece is.
class WatchedWriter final : public PieceWriter {
 public:
  WatchedWriter(PieceWriter& writer, PieceProgress& progress)
      : writer_(writer), progress_(progress) {}

  [[nodiscard]] PieceNumber number() const override { return writer_.number(); }
  [[nodiscard]] std::uint64_t offset() const override { return writer_.offset(); }
  [[nodiscard]] std::uint64_t length() const override { return writer_.length(); }
  [[nodiscard]] std::uint64_t written() const override { return writer_.written(); }
  [[nodiscard]] std::uint32_t crc32() const override { return writer_.crc32(); }

  absl::Status Append(std::span<const std::byte> bytes) override {
    absl::Status status = writer_.Append(bytes);
    progress_.bytes.store(writer_.written(), std::memory_order_relaxed);
    return status;
  }
  void Restart() override { writer_.Restart(); }
  absl::Status Commit(PieceRecord record, std::optional<std::uint32_t> expected_crc32) override {
    return writer_.Commit(std::move(record), expected_crc32);
  }

 private:
  PieceWriter& writer_;
  PieceProgress& progress_;
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
  WholeObject(const Clock& clock, StoredTask& stored, PieceProgress& progress)
      : clock_(clock), stored_(stored), progress_(progress) {}

  PieceWriter* Begin(PieceNumber number) override {
    watched_.reset();
    writer_.reset();
    auto claim = stored_.ClaimPiece(number);
    if (!claim.ok() || claim->result != StoredTask::ClaimResult::kClaimed) return nullptr;
    writer_ = std::move(claim->writer);
    started_ = clock_.Now();
    watched_ = std::make_unique<WatchedWriter>(*writer_, progress_);
    return watched_.get();
  }

  absl::Status End(PieceNumber number) override {
    (void)number;
    if (writer_ == nullptr) return absl::OkStatus();
    PieceRecord record = Describe(*writer_, clock_, started_);
    record.traffic_type = TrafficType::kBackToSource;
    absl::Status status = writer_->Commit(std::move(record));
    watched_.reset();
    writer_.reset();
    return status;
  }

 private:
  const Clock& clock_;
  StoredTask& stored_;
  PieceProgress& progress_;
  std::unique_ptr<PieceWriter> writer_;
  std::unique_ptr<WatchedWriter> watched_;
  SteadyTime started_;
};

}  // namespace

Awaitable<absl::StatusOr<GotPiece>> GetFromParent(PieceFetcher& fetcher, const Clock& clock,
                                                  VortexAddress parent, PeerId parent_id,
                                                  TaskKind kind, TaskId id,
                                                  std::unique_ptr<PieceWriter> writer,
                                                  std::shared_ptr<PieceProgress> progress) {
  // A local, so that the claim is given back before the caller goes on.
  const std::unique_ptr<PieceWriter> claimed = std::move(writer);
  WatchedWriter watched(*claimed, *progress);
  const SteadyTime started = clock.Now();
  CO_ASSIGN_OR_RETURN(const FetchedPiece fetched,
                      co_await fetcher.Fetch(std::move(parent), kind, std::move(id), watched));
  GotPiece got;
  got.verified = fetched.verified;
  got.record = Describe(*claimed, clock, started);
  got.record.parent_id = std::move(parent_id);
  got.record.traffic_type = TrafficType::kRemotePeer;
  std::optional<std::uint32_t> expected;
  if (fetched.verified) expected = fetched.crc32;
  CO_RETURN_IF_ERROR(claimed->Commit(got.record, expected));
  co_return got;
}

Awaitable<absl::StatusOr<GotPiece>> GetFromSource(Source& source, const Clock& clock,
                                                  SourceRequest request,
                                                  std::uint64_t content_length,
                                                  std::unique_ptr<PieceWriter> writer,
                                                  std::shared_ptr<PieceProgress> progress) {
  const std::unique_ptr<PieceWriter> claimed = std::move(writer);
  WatchedWriter watched(*claimed, *progress);
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
  PieceProgress progress;
  WholeObject pieces(clock, stored, progress);
  return content.CopyTo(stored.spec().piece_length, pieces);
}

Awaitable<absl::Status> GetAllFromSource(Source& source, const Clock& clock, SourceRequest request,
                                         std::shared_ptr<StoredTask> stored,
                                         std::shared_ptr<PieceProgress> progress) {
  WholeObject pieces(clock, *stored, *progress);
  const TaskSpec& spec = stored->spec();
  co_return co_await source.FetchAll(std::move(request), spec.content_length, spec.piece_length,
                                     pieces);
}

}  // namespace dragonfly::dfdaemon
