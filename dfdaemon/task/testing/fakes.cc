#include "dfdaemon/task/testing/fakes.h"

#include <algorithm>
#include <deque>

#include "common/base/bytes.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "dfdaemon/task/download_plan.h"

namespace dragonfly::dfdaemon {
namespace {

std::span<const std::byte> PieceOf(const std::string& object, const PieceWriter& writer) {
  return AsBytes(std::string_view(object).substr(writer.offset(), writer.length()));
}

std::string Describe(const PeerReport& report) {
  struct Describer {
    std::string operator()(const PeerStarted&) const { return "started"; }
    std::string operator()(const PeerBackToSourceStarted&) const { return "source started"; }
    std::string operator()(const PeerReschedule& r) const {
      return StrCat("reschedule ", r.used.size());
    }
    std::string operator()(const PieceFromParent& r) const {
      return StrCat("piece ", r.piece.number, " from ", HostOfPeer(r.piece.parent_id).str());
    }
    std::string operator()(const PieceFromSource& r) const {
      return StrCat("source piece ", r.piece.number);
    }
    std::string operator()(const PieceFromParentFailed& r) const {
      return StrCat("piece ", r.number, " failed from ", HostOfPeer(r.parent_id).str());
    }
    std::string operator()(const PieceFromSourceFailed& r) const {
      return StrCat("source piece failed ", r.error.status_code.value_or(0));
    }
    std::string operator()(const PeerFinished&) const { return "finished"; }
    std::string operator()(const PeerBackToSourceFinished&) const { return "source finished"; }
    std::string operator()(const PeerFailed&) const { return "failed"; }
    std::string operator()(const PeerBackToSourceFailed&) const { return "source failed"; }
  };
  return std::visit(Describer(), report);
}

}  // namespace

std::string FakeContent(std::size_t length) {
  std::string content(length, '\0');
  std::uint32_t state = 1;
  for (char& byte : content) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return content;
}

void Gate::Open() {
  const MutexLock lock(mutex_);
  open_ = true;
  for (const auto& waiter : waiters_) waiter->NotifyFromAnyThread();
  waiters_.clear();
}

void Gate::Close() {
  const MutexLock lock(mutex_);
  open_ = false;
}

int Gate::waiting() const {
  const MutexLock lock(mutex_);
  return waiting_;
}

Awaitable<> Gate::Pass() {
  const auto waiter = std::make_shared<Notifier>(co_await asio::this_coro::executor);
  const auto version = waiter->version();
  {
    const MutexLock lock(mutex_);
    if (open_) co_return;
    waiters_.push_back(waiter);
    ++waiting_;
  }
  struct Leave {
    Gate& gate;
    ~Leave() {
      const MutexLock lock(gate.mutex_);
      --gate.waiting_;
    }
  } leave{*this};
  (void)co_await waiter->WaitPast(version);
}

Awaitable<absl::StatusOr<SourceStat>> FakeSource::Stat(SourceRequest request) {
  (void)request;
  {
    const MutexLock lock(mutex_);
    ++stats_;
  }
  if (stat_error) co_return *stat_error;
  SourceStat stat;
  stat.status_code = 200;
  stat.headers = {{"Content-Type", "text/plain"}};
  if (tells_length) stat.content_length = object_.size();
  stat.supports_ranges = supports_ranges;
  co_return stat;
}

Awaitable<absl::Status> FakeSource::FetchPiece(SourceRequest request, std::uint64_t total_length,
                                               PieceWriter& writer) {
  (void)total_length;
  co_await gate.Pass();
  if (fetch_error) {
    if (auto error = fetch_error(request)) co_return *error;
  }
  {
    const MutexLock lock(mutex_);
    fetched_.push_back(writer.number());
  }
  co_return writer.Append(PieceOf(object_, writer));
}

Awaitable<absl::Status> FakeSource::FetchAll(SourceRequest request, std::uint64_t total_length,
                                             std::uint64_t piece_length, PieceSequence& pieces) {
  {
    const MutexLock lock(mutex_);
    ++whole_reads_;
  }
  const auto count = static_cast<PieceNumber>((total_length + piece_length - 1) / piece_length);
  for (PieceNumber number = 0; number < count; ++number) {
    co_await gate.Pass();
    if (fetch_error) {
      if (auto error = fetch_error(request)) co_return *error;
    }
    PieceWriter* writer = pieces.Begin(number);
    if (writer == nullptr) continue;
    if (auto status = writer->Append(PieceOf(object_, *writer)); !status.ok()) co_return status;
    if (auto status = pieces.End(number); !status.ok()) co_return status;
  }
  co_return absl::OkStatus();
}

Awaitable<absl::StatusOr<std::unique_ptr<SpooledContent>>> FakeSource::Spool(
    SourceRequest request, std::string directory, std::uint64_t length_max) {
  (void)directory;
  class Spooled final : public SpooledContent {
   public:
    explicit Spooled(const std::string& object) : object_(object) {}
    [[nodiscard]] std::uint64_t length() const override { return object_.size(); }
    absl::Status CopyTo(std::uint64_t piece_length, PieceSequence& pieces) override {
      PieceNumber number = 0;
      for (std::uint64_t at = 0; at < object_.size(); at += piece_length, ++number) {
        PieceWriter* writer = pieces.Begin(number);
        if (writer == nullptr) continue;
        if (auto status = writer->Append(PieceOf(object_, *writer)); !status.ok()) return status;
        if (auto status = pieces.End(number); !status.ok()) return status;
      }
      return absl::OkStatus();
    }

   private:
    const std::string object_;
  };
  if (fetch_error) {
    if (auto error = fetch_error(request)) co_return *error;
  }
  if (object_.size() > length_max) co_return absl::ResourceExhaustedError("too long");
  co_return std::make_unique<Spooled>(object_);
}

int FakeSource::stats() const {
  const MutexLock lock(mutex_);
  return stats_;
}
std::vector<PieceNumber> FakeSource::fetched() const {
  const MutexLock lock(mutex_);
  return fetched_;
}
int FakeSource::whole_reads() const {
  const MutexLock lock(mutex_);
  return whole_reads_;
}

CandidateParent FakeParent::candidate() const {
  CandidateParent candidate;
  candidate.peer_id = PeerId(StrCat(name, "-00000000-0000-4000-8000-000000000000"));
  candidate.host_id = HostId(name);
  candidate.ip = "127.0.0.1";
  candidate.port = 4000;
  candidate.is_seed = is_seed;
  return candidate;
}

FakeParent& FakeParents::Add(std::string name, std::string object) {
  const auto port = static_cast<std::uint16_t>(1000 + parents_.size());
  return *parents_
              .emplace(port, std::make_unique<FakeParent>(std::move(name), port, std::move(object)))
              .first->second;
}

class FakeParents::Offers final : public PieceOffers {
 public:
  Offers(asio::any_io_executor io, FakeParent* parent, std::deque<OfferedPiece> pieces)
      : never_(std::move(io)), parent_(parent), pieces_(std::move(pieces)) {}

  Awaitable<absl::StatusOr<std::optional<OfferedPiece>>> Next() override {
    if (parent_ == nullptr) co_return absl::UnavailableError("connection refused");
    if (pieces_.empty()) {
      if (parent_->stream_error) co_return *parent_->stream_error;
      while (parent_->keeps_stream_open) (void)co_await never_.WaitPast(never_.version());
      co_return std::nullopt;
    }
    OfferedPiece first = pieces_.front();
    pieces_.pop_front();
    co_return std::optional<OfferedPiece>(std::move(first));
  }

 private:
  Notifier never_;
  FakeParent* const parent_;
  std::deque<OfferedPiece> pieces_;
};

std::unique_ptr<PieceOffers> FakeParents::SyncPieces(const CandidateParent& parent, TaskKind kind,
                                                     const PeerIdentity& self,
                                                     std::vector<PieceNumber> interested) {
  (void)kind;
  (void)self;
  ++streams_;
  for (const auto& [port, known] : parents_) {
    if (known->name != parent.host_id.str()) continue;
    std::deque<OfferedPiece> pieces;
    if (known->wrong_offer) pieces.push_back(*known->wrong_offer);
    for (const PieceNumber number : interested) {
      if (!known->offers.empty() && !known->offers.contains(number)) continue;
      OfferedPiece piece;
      piece.number = number;
      piece.offset = number * piece_length_;
      piece.length = std::min<std::uint64_t>(piece_length_, known->object.size() - piece.offset);
      piece.ip = "127.0.0.1";
      piece.tcp_port = port;
      pieces.push_back(std::move(piece));
    }
    return std::make_unique<Offers>(io_, known.get(), std::move(pieces));
  }
  return std::make_unique<Offers>(io_, nullptr, std::deque<OfferedPiece>());
}

std::shared_ptr<ParentClient::LoadWatch> FakeParents::WatchLoad(const CandidateParent& parent,
                                                                const PeerIdentity& self) {
  (void)parent;
  (void)self;
  class Unknown final : public LoadWatch {
   public:
    [[nodiscard]] std::optional<NetworkLoad> latest() const override { return std::nullopt; }
    [[nodiscard]] std::optional<SteadyTime> updated() const override { return std::nullopt; }
  };
  return std::make_shared<Unknown>();
}

Awaitable<absl::StatusOr<FetchedPiece>> FakeParents::Fetch(VortexAddress parent, TaskKind kind,
                                                           TaskId task, PieceSink& sink) {
  (void)kind;
  (void)task;
  const auto found = parents_.find(parent.port);
  if (found == parents_.end()) co_return absl::UnavailableError("connection refused");
  FakeParent& known = *found->second;
  co_await known.gate.Pass();
  if (known.serve) {
    if (auto status = known.serve(sink.number()); !status.ok()) co_return status;
  }
  PieceWriter* const writer = sink.Begin(Crc32(0, AsBytes(known.object)));
  if (writer == nullptr) co_return absl::CancelledError("the piece comes from elsewhere");
  const auto bytes = PieceOf(known.object, *writer);
  if (auto status = writer->Append(bytes); !status.ok()) co_return status;
  {
    const MutexLock lock(mutex_);
    ++served_[known.name];
  }
  FetchedPiece fetched;
  fetched.crc32 = Crc32(0, bytes);
  fetched.verified = true;
  co_return fetched;
}

std::map<std::string, int> FakeParents::served() const {
  const MutexLock lock(mutex_);
  return served_;
}

class FakeScheduler::Conversation final : public PeerConversation {
 public:
  Conversation(std::shared_ptr<Shared> shared, FakeScheduler& owner, DownloadRequest request)
      : shared_(std::move(shared)), owner_(owner), request_(std::move(request)) {
    Ask(nullptr);
  }

  void Report(PeerReport report) override {
    if (shared_->dead) return;
    {
      const MutexLock lock(shared_->mutex);
      shared_->reports.push_back(Describe(report));
    }
    if (const auto* reschedule = std::get_if<PeerReschedule>(&report)) Ask(reschedule);
    over_ = over_ || std::holds_alternative<PeerFinished>(report) ||
            std::holds_alternative<PeerBackToSourceFinished>(report) ||
            std::holds_alternative<PeerFailed>(report) ||
            std::holds_alternative<PeerBackToSourceFailed>(report);
    shared_->changed.Notify();
  }

  Awaitable<absl::StatusOr<std::optional<ScheduleDecision>>> Next() override {
    while (true) {
      const auto version = shared_->changed.version();
      if (!answers_.empty()) {
        Answer next = std::move(answers_.front());
        answers_.pop_front();
        if (!next) co_return owner_.stream_error;
        co_return next;
      }
      if (shared_->dead) co_return owner_.stream_error;
      if (over_) co_return std::nullopt;
      (void)co_await shared_->changed.WaitPast(version);
    }
  }

 private:
  void Ask(const PeerReschedule* reschedule) {
    answers_.push_back(owner_.answer ? owner_.answer(request_, reschedule) : std::nullopt);
    shared_->changed.Notify();
  }

  const std::shared_ptr<Shared> shared_;
  FakeScheduler& owner_;
  const DownloadRequest request_;
  std::deque<Answer> answers_;
  bool over_ = false;
};

Awaitable<absl::StatusOr<std::unique_ptr<PeerConversation>>> FakeScheduler::AnnouncePeer(
    PeerIdentity peer, DownloadRequest request, ActualSizes sizes) {
  (void)peer;
  (void)sizes;
  if (connect_error) co_return *connect_error;
  {
    const MutexLock lock(shared_->mutex);
    ++shared_->registrations;
    shared_->reports.push_back(request.range           ? "register range"
                               : request.metadata_only ? "register metadata"
                                                       : "register");
  }
  co_return std::make_unique<Conversation>(shared_, *this, std::move(request));
}

Awaitable<absl::Status> FakeScheduler::DeleteTask(HostId host, TaskId task) {
  (void)host;
  (void)task;
  ++deleted_;
  co_return absl::OkStatus();
}

void FakeScheduler::Die() {
  shared_->dead = true;
  shared_->changed.Notify();
}

std::vector<std::string> FakeScheduler::reports() const {
  const MutexLock lock(shared_->mutex);
  return shared_->reports;
}

int FakeScheduler::registrations() const {
  const MutexLock lock(shared_->mutex);
  return shared_->registrations;
}

void CountingTaskMetrics::Add(const std::string& name, std::uint64_t by) {
  const MutexLock lock(mutex_);
  counts_[name] += by;
}
std::uint64_t CountingTaskMetrics::Get(const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto found = counts_.find(name);
  return found == counts_.end() ? 0 : found->second;
}
void CountingTaskMetrics::DownloadStarted(const TaskLabels& /*labels*/) { Add("started"); }
void CountingTaskMetrics::DownloadEnded(const TaskLabels& /*labels*/,
                                        const DownloadOutcome& outcome) {
  switch (outcome.result) {
    case DownloadOutcome::Result::kSucceeded:
      return Add("succeeded");
    case DownloadOutcome::Result::kFailed:
      return Add("failed");
    case DownloadOutcome::Result::kCallerLeft:
      return Add("left");
  }
}
void CountingTaskMetrics::PrefetchStarted(const TaskLabels& /*labels*/) { Add("prefetch"); }
void CountingTaskMetrics::PrefetchFailed(const TaskLabels& /*labels*/) { Add("prefetch_failed"); }
void CountingTaskMetrics::PieceDownloaded(TrafficType type, TaskKind /*kind*/,
                                          std::uint64_t bytes) {
  switch (type) {
    case TrafficType::kBackToSource:
      return Add("source_bytes", bytes);
    case TrafficType::kRemotePeer:
      return Add("peer_bytes", bytes);
    case TrafficType::kLocalPeer:
      return Add("local_bytes", bytes);
  }
}

}  // namespace dragonfly::dfdaemon
