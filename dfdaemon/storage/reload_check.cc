#include "dfdaemon/storage/reload_check.h"

#include <stdlib.h>  // NOLINT: mkdtemp

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

namespace fs = std::filesystem;

constexpr char kBoot[] = "boot";
// Pieces that are read or written per task.
constexpr PieceNumber kPiecesTried = 16;
constexpr std::uint64_t kLongestPieceTried = 64 * kKiB;

class FixedClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime Now() const override { return SteadyTime(std::chrono::hours(1)); }
  [[nodiscard]] WallTime WallNow() const override {
    return WallTime(std::chrono::seconds(1'700'000'000));
  }
};

std::unique_ptr<Storage> MustOpen(const std::string& dir, const Clock& clock) {
  StorageOptions options;
  options.dir = dir;
  options.keep = true;
  options.boot_id = kBoot;
  auto storage = Storage::Open(std::move(options), clock);
  // A daemon that cannot start because of its own cache never starts again.
  if (!storage.ok()) std::fprintf(stderr, "%s\n", storage.status().ToString().c_str());
  DF_CHECK(storage.ok());
  return *std::move(storage);
}

void CheckTimes(const TaskTimes& times, WallTime now) {
  const auto check = [now](WallTime time) {
    DF_CHECK(time >= WallTime());
    // Both are computed when a task is collected.
    DF_CHECK(time + std::chrono::hours(24 * 365 * 100) > time);
    (void)(now - time);
  };
  check(times.created_at);
  check(times.updated_at);
  if (times.prefetched_at) check(*times.prefetched_at);
  if (times.failed_at) check(*times.failed_at);
  if (times.finished_at) check(*times.finished_at);
}

void CheckTask(const StoredTask& task, const Clock& clock) {
  const TaskSpec& spec = task.spec();
  DF_CHECK(fs::file_size(task.content_path()) == spec.content_length);
  CheckTimes(task.times(), clock.WallNow());
  DF_CHECK(spec.ttl >= std::chrono::seconds(0));
  const std::vector<PieceRecord> pieces = task.Pieces();
  DF_CHECK(pieces.size() <= task.piece_count());
  for (const PieceRecord& piece : pieces) {
    DF_CHECK(piece.number < task.piece_count());
    DF_CHECK(piece.length > 0);
    DF_CHECK(piece.offset == piece.number * spec.piece_length);
    DF_CHECK(piece.offset < spec.content_length);
    DF_CHECK(piece.length <= spec.content_length - piece.offset);
    DF_CHECK(piece.cost.count() >= 0);
    const auto location = task.Locate(piece.number);
    if (!location) continue;  // Being checked in the background, and dropped meanwhile.
    DF_CHECK(location->offset == piece.offset && location->length == piece.length);
    DF_CHECK(location->parent_id == piece.parent_id.str());
  }
}

void UseTask(StoredTask& task) {
  task.Touch();
  (void)task.MarkPrefetched();
  task.MarkFinished();
  for (PieceNumber number = 0; number < std::min(task.piece_count(), kPiecesTried); ++number) {
    if (task.HasPiece(number)) (void)task.VerifyPiece(number);
    auto claim = task.ClaimPiece(number);
    DF_CHECK(claim.ok());
    if (claim->result != StoredTask::ClaimResult::kClaimed) continue;
    PieceWriter& writer = *claim->writer;
    if (writer.length() > kLongestPieceTried) continue;
    const std::string bytes(writer.length(), 'p');
    DF_CHECK(writer.Append(AsBytes(bytes)).ok());
    DF_CHECK(writer.Commit({}).ok());
  }
}

using Names = std::set<std::pair<TaskKind, std::string>>;

Names NamesOf(const Storage& storage) {
  Names names;
  for (const auto& task : storage.List()) {
    names.emplace(task->spec().kind, task->spec().id.str());
  }
  return names;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

ReloadFolder::ReloadFolder() {
  const char* const memory = "/dev/shm";
  const fs::path base = fs::is_directory(memory) ? fs::path(memory) : fs::temp_directory_path();
  std::string pattern = (base / "reload-XXXXXX").string();
  DF_CHECK(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
  fs::create_directories(path_ + "/metadata");
}

ReloadFolder::~ReloadFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string ReloadFolder::Records(std::string_view suffix) const {
  return StrCat(path_, "/metadata/storage.db", suffix);
}

void ReloadFolder::Write(const std::string& file, std::string_view bytes) const {
  fs::create_directories(fs::path(file).parent_path());
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

void ReloadFolder::WriteContent(const std::string& id, std::string_view bytes) const {
  Write(StrCat(path_, "/content/tasks/", std::string_view(id).substr(0, 3), "/", id), bytes);
}

GoodStorage GoodStorage::Make() {
  const ReloadFolder folder;
  const FixedClock clock;
  GoodStorage good;
  {
    const auto storage = MustOpen(folder.path(), clock);
    for (const auto& [id, length, missing] :
         {std::tuple{"aaa1", 100, 0U}, {"aab2", 0, 0U}, {"bbb3", 64, 1U}}) {
      TaskSpec spec;
      spec.id = TaskId(id);
      spec.piece_length = 16;
      spec.content_length = static_cast<std::uint64_t>(length);
      spec.response_headers = {{"Content-Type", "text/plain"}, {"ETag", "\"1\""}};
      auto task = storage->Create(std::move(spec));
      DF_CHECK(task.ok());
      for (PieceNumber number = 0; number + missing < (*task)->piece_count(); ++number) {
        auto claim = (*task)->ClaimPiece(number);
        DF_CHECK(claim.ok() && claim->writer != nullptr);
        const std::string bytes(claim->writer->length(), static_cast<char>('a' + number));
        DF_CHECK(claim->writer->Append(AsBytes(bytes)).ok());
        PieceRecord record;
        if (number % 2 == 0) record.parent_id = PeerId("10.0.0.1-parent-1");
        DF_CHECK(claim->writer->Commit(record).ok());
      }
      if (missing == 0) (*task)->MarkFinished();
      good.contents.push_back({id, {}});
    }
  }
  good.records = ReadAll(folder.Records());
  for (Content& content : good.contents) {
    content.bytes =
        ReadAll(StrCat(folder.path(), "/content/tasks/", content.id.substr(0, 3), "/", content.id));
  }
  return good;
}

void CheckReload(const std::string& dir) {
  const FixedClock clock;
  Names before;
  {
    const auto storage = MustOpen(dir, clock);
    for (const StoredTaskSummary& summary : storage->Summaries()) {
      CheckTimes(summary.times, clock.WallNow());
    }
    for (const auto& task : storage->List()) {
      CheckTask(*task, clock);
      UseTask(*task);
      CheckTask(*task, clock);
    }
    TaskSpec spec;
    spec.id = TaskId("fff0");
    spec.piece_length = 4;
    spec.content_length = 10;
    const auto task = storage->Create(std::move(spec));
    if (task.ok()) UseTask(**task);
    before = NamesOf(*storage);
  }
  const auto storage = MustOpen(dir, clock);
  for (const auto& task : storage->List()) CheckTask(*task, clock);
  DF_CHECK(NamesOf(*storage) == before);
}

}  // namespace dragonfly::dfdaemon
