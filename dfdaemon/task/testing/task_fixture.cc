#include "dfdaemon/task/testing/task_fixture.h"

#include <algorithm>
#include <utility>

namespace dragonfly::dfdaemon {
namespace {

Awaitable<Fetched> FetchFrom(TaskManager& manager, DownloadRequest request) {
  Fetched fetched;
  auto download = co_await manager.Start(std::move(request));
  fetched.status = download.status();
  if (!download.ok()) co_return fetched;
  fetched.started = true;
  fetched.was_finished = (*download)->started().is_finished;
  while (true) {
    auto next = co_await (*download)->Next();
    fetched.status = next.status();
    if (!next.ok() || !next->has_value()) co_return fetched;
    const PieceRecord& piece = **next;
    fetched.pieces.push_back(piece.number);
    switch (piece.traffic_type) {
      case TrafficType::kBackToSource:
        ++fetched.from_source;
        break;
      case TrafficType::kRemotePeer:
        ++fetched.from_peers;
        break;
      case TrafficType::kLocalPeer:
        ++fetched.local;
        break;
    }
  }
}

}  // namespace

TaskFixture::TaskFixture() {
  options.host_id = HostId("127.0.0.1-self");
  options.ip = "127.0.0.1";
  options.hostname = "self";
  options.concurrent_piece_count = 3;
  options.random_seed = 1;
  scheduler_.connect_error = absl::UnavailableError("no scheduler");
  Open();
}

TaskFixture::~TaskFixture() { Close(); }

void TaskFixture::Open() {
  StorageOptions storage;
  storage.dir = dir_.File("storage");
  storage.keep = true;
  storage.disk_threshold = disk_threshold;
  auto opened = Storage::Open(std::move(storage), clock_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  storage_ = *std::move(opened);
  manager_ = TaskManager::Create(
      options, {io_.executor(), data_, disk_, clock_, *storage_, source_, parents_, scheduler_,
                parents_, metrics_});
}

void TaskFixture::Close() {
  if (manager_ != nullptr) RunCoro(io_, manager_->Stop());
  manager_.reset();
  storage_.reset();
}

DownloadRequest TaskFixture::Request() const {
  DownloadRequest request;
  request.url = "https://example.com/object";
  request.piece_length = kPieceLength;
  return request;
}

Fetched TaskFixture::Fetch(DownloadRequest request) {
  return RunCoro(io_, FetchFrom(*manager_, std::move(request)));
}

std::future<Fetched> TaskFixture::Begin(DownloadRequest request) {
  return asio::co_spawn(io_.executor(), FetchFrom(*manager_, std::move(request)), asio::use_future);
}

std::shared_ptr<StoredTask> TaskFixture::Stored() const {
  return storage_->Find(TaskKind::kStandard, *manager_->IdOf(Request()));
}

std::string TaskFixture::OnDisk() const {
  const auto stored = Stored();
  return stored == nullptr ? std::string() : ReadFile(stored->content_path()).value_or("");
}

void TaskFixture::Answer(ScheduleDecision decision) {
  scheduler_.connect_error.reset();
  scheduler_.answer = [decision = std::move(decision)](const DownloadRequest&,
                                                       const PeerReschedule*) {
    return FakeScheduler::Answer(decision);
  };
}

DownloadFromParents TaskFixture::From(std::vector<FakeParent*> parents) const {
  DownloadFromParents decision;
  for (const FakeParent* parent : parents) decision.candidates.push_back(parent->candidate());
  return decision;
}

int TaskFixture::Count(const std::string& report) const {
  const auto reports = scheduler_.reports();
  return static_cast<int>(
      std::count_if(reports.begin(), reports.end(), [&](const std::string& line) {
        return line == report || line.starts_with(report + " ");
      }));
}

}  // namespace dragonfly::dfdaemon
