#include "dfdaemon/storage/metadata.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

// Described in docs/formats/storage.md.
constexpr int kSchemaVersion = 1;
constexpr char kSchema[] = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE task (
  row INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  id TEXT NOT NULL,
  piece_length INTEGER NOT NULL,
  content_length INTEGER NOT NULL,
  persistent INTEGER NOT NULL,
  ttl INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  prefetched_at INTEGER,
  failed_at INTEGER,
  finished_at INTEGER,
  suspect INTEGER NOT NULL,
  UNIQUE (kind, id));
CREATE TABLE response_header (
  task INTEGER NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (task, position)) WITHOUT ROWID;
CREATE TABLE piece (
  task INTEGER NOT NULL,
  number INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  crc32 INTEGER,
  parent_id TEXT NOT NULL,
  traffic_type INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (task, number)) WITHOUT ROWID;
PRAGMA user_version = 1;
)sql";

constexpr std::size_t kMaxQueued = 64 * 1024;
constexpr auto kRetryAfter = std::chrono::milliseconds(500);

std::int64_t ToNanoseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

WallTime FromNanoseconds(std::int64_t value) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(value)));
}

std::optional<std::int64_t> ToNanoseconds(std::optional<WallTime> time) {
  if (!time.has_value()) return std::nullopt;
  return ToNanoseconds(*time);
}

std::optional<WallTime> FromNanoseconds(std::optional<std::int64_t> value) {
  if (!value.has_value()) return std::nullopt;
  return FromNanoseconds(*value);
}

std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

absl::StatusOr<std::unique_ptr<Metadata>> Metadata::Open(const std::string& path,
                                                         const std::string& boot_id, Warn warn) {
  auto result = std::unique_ptr<Metadata>(new Metadata(std::move(warn)));
  ASSIGN_OR_RETURN(result->db_, SqliteDb::Open(path));
  SqliteDb& db = result->db_;
  // FULL until the boot id is recorded: see CheckBoot().
  RETURN_IF_ERROR(
      db.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -512;"
                 "PRAGMA journal_size_limit = 4194304;"));
  ASSIGN_OR_RETURN(const std::int64_t version, db.QueryInt("PRAGMA user_version"));
  if (version == 0) {
    RETURN_IF_ERROR(db.Execute(StrCat("BEGIN;", std::string_view(kSchema), "COMMIT;").c_str()));
  } else if (version != kSchemaVersion) {
    return absl::DataLossError(StrCat("unknown layout version ", version));
  }
  RETURN_IF_ERROR(result->CheckBoot(boot_id));
  // From here on a commit survives the end of the process, and the end of the machine takes at most
  // the last commits away, never one in the middle.
  RETURN_IF_ERROR(db.Execute("PRAGMA synchronous = NORMAL"));
  ASSIGN_OR_RETURN(const std::int64_t last_row,
                   db.QueryInt("SELECT max(coalesce((SELECT max(row) FROM task), 0),"
                               "coalesce((SELECT max(task) FROM piece), 0))"));
  result->next_row_ = last_row + 1;
  RETURN_IF_ERROR(result->Prepare());
  return result;
}

absl::Status Metadata::CheckBoot(const std::string& boot_id) {
  RETURN_IF_ERROR(db_.Execute("BEGIN IMMEDIATE"));
  const auto last = [&](std::string_view key) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(SqliteStatement select, db_.Prepare("SELECT value FROM meta WHERE key = ?"));
    ASSIGN_OR_RETURN(const bool row, select.Bind(1, key).Step());
    return row ? select.Text(0) : std::string();
  };
  ASSIGN_OR_RETURN(const std::string last_boot, last("boot_id"));
  ASSIGN_OR_RETURN(const std::string clean, last("clean"));
  if (last_boot != boot_id && clean != "1") {
    RETURN_IF_ERROR(db_.Execute("UPDATE task SET suspect = 1"));
  }
  RETURN_IF_ERROR(SetMeta("boot_id", boot_id));
  // On the disk before any content changes. Otherwise the database could go back to a state that
  // calls the content of an earlier run clean.
  RETURN_IF_ERROR(SetMeta("clean", "0"));
  return db_.Execute("COMMIT");
}

absl::Status Metadata::SetMeta(std::string_view key, std::string_view value) {
  ASSIGN_OR_RETURN(SqliteStatement put, db_.Prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)"));
  return put.Bind(1, key).Bind(2, value).Run();
}

absl::Status Metadata::Prepare() {
  const auto prepare = [&](SqliteStatement& to, std::string_view sql) -> absl::Status {
    ASSIGN_OR_RETURN(to, db_.Prepare(sql));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(
      prepare(put_task_, "INSERT OR REPLACE INTO task VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"));
  RETURN_IF_ERROR(prepare(put_header_, "INSERT OR REPLACE INTO response_header VALUES (?,?,?,?)"));
  RETURN_IF_ERROR(prepare(put_times_,
                          "UPDATE task SET created_at = ?2, updated_at = ?3, prefetched_at = ?4,"
                          "failed_at = ?5, finished_at = ?6 WHERE row = ?1"));
  RETURN_IF_ERROR(prepare(put_piece_, "INSERT OR REPLACE INTO piece VALUES (?,?,?,?,?,?,?,?,?)"));
  RETURN_IF_ERROR(prepare(drop_piece_, "DELETE FROM piece WHERE task = ? AND number = ?"));
  RETURN_IF_ERROR(prepare(drop_pieces_, "DELETE FROM piece WHERE task = ?"));
  RETURN_IF_ERROR(prepare(drop_headers_, "DELETE FROM response_header WHERE task = ?"));
  RETURN_IF_ERROR(prepare(drop_task_, "DELETE FROM task WHERE row = ?"));
  return prepare(clear_suspect_, "UPDATE task SET suspect = 0 WHERE row = ?");
}

Metadata::~Metadata() { (void)Close(false); }

absl::Status Metadata::Load(const std::function<void(TaskRow, std::vector<PieceRecord>)>& take) {
  ASSIGN_OR_RETURN(SqliteStatement select, db_.Prepare("SELECT * FROM task ORDER BY row"));
  while (true) {
    ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return absl::OkStatus();
    TaskRow task;
    task.row = select.Int(0);
    task.spec.kind = static_cast<TaskKind>(select.Int(1));
    task.spec.id = TaskId(select.Text(2));
    task.spec.piece_length = static_cast<std::uint64_t>(select.Int(3));
    task.spec.content_length = static_cast<std::uint64_t>(select.Int(4));
    task.spec.persistent = select.Int(5) != 0;
    task.spec.ttl = std::chrono::seconds(select.Int(6));
    task.times.created_at = FromNanoseconds(select.Int(7));
    task.times.updated_at = FromNanoseconds(select.Int(8));
    task.times.prefetched_at = FromNanoseconds(select.OptionalInt(9));
    task.times.failed_at = FromNanoseconds(select.OptionalInt(10));
    task.times.finished_at = FromNanoseconds(select.OptionalInt(11));
    task.suspect = select.Int(12) != 0;
    ASSIGN_OR_RETURN(task.spec.response_headers, LoadHeaders(task.row));
    ASSIGN_OR_RETURN(std::vector<PieceRecord> pieces, LoadPieces(task.row));
    take(std::move(task), std::move(pieces));
  }
}

absl::StatusOr<HeaderList> Metadata::LoadHeaders(std::int64_t row) {
  ASSIGN_OR_RETURN(
      SqliteStatement select,
      db_.Prepare("SELECT name, value FROM response_header WHERE task = ? ORDER BY position"));
  select.Bind(1, row);
  HeaderList headers;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return headers;
    headers.emplace_back(select.Text(0), select.Text(1));
  }
}

absl::StatusOr<std::vector<PieceRecord>> Metadata::LoadPieces(std::int64_t row) {
  ASSIGN_OR_RETURN(
      SqliteStatement select,
      db_.Prepare("SELECT number, offset, length, crc32, parent_id, traffic_type, cost,"
                  "created_at FROM piece WHERE task = ? ORDER BY number"));
  select.Bind(1, row);
  std::vector<PieceRecord> pieces;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return pieces;
    const std::int64_t number = select.Int(0);
    if (number < 0 || number > std::numeric_limits<PieceNumber>::max()) continue;
    PieceRecord& piece = pieces.emplace_back();
    piece.number = static_cast<PieceNumber>(number);
    piece.offset = static_cast<std::uint64_t>(select.Int(1));
    piece.length = static_cast<std::uint64_t>(select.Int(2));
    if (const auto crc = select.OptionalInt(3)) piece.crc32 = static_cast<std::uint32_t>(*crc);
    piece.parent_id = PeerId(select.Text(4));
    piece.traffic_type = static_cast<TrafficType>(std::clamp<std::int64_t>(select.Int(5), 0, 2));
    piece.cost = std::chrono::nanoseconds(select.Int(6));
    piece.created_at = FromNanoseconds(select.Int(7));
  }
}

void Metadata::Start() {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "metadata");
    WriteQueued();
  });
}

Metadata::Ticket Metadata::PutTask(TaskRow task) { return Queue(std::move(task)); }
Metadata::Ticket Metadata::PutTimes(std::int64_t row, const TaskTimes& times) {
  return Queue(PutTimesOp{row, times});
}
Metadata::Ticket Metadata::DropPiece(std::int64_t row, PieceNumber number) {
  return Queue(DropPieceOp{row, number});
}
Metadata::Ticket Metadata::DropTask(std::int64_t row) { return Queue(DropTaskOp{row}); }
Metadata::Ticket Metadata::ClearSuspect(std::int64_t row) { return Queue(ClearSuspectOp{row}); }

Metadata::Ticket Metadata::PutPiece(std::int64_t row, const PieceRecord& piece) {
  const MutexLock lock(mutex_);
  if (queue_.size() >= kMaxQueued && !error_.ok()) return last_queued_;
  return QueueLocked(PutPieceOp{row, piece});
}

void Metadata::WaitForRoom() {
  const MutexLock lock(mutex_);
  while (!closing_ && error_.ok() && queue_.size() >= kMaxQueued) written_.Wait(mutex_);
}

Metadata::Ticket Metadata::Queue(Op op) {
  const MutexLock lock(mutex_);
  return QueueLocked(std::move(op));
}

Metadata::Ticket Metadata::QueueLocked(Op op) {
  if (closing_) return last_queued_;
  queue_.push_back(std::move(op));
  // The thread takes the whole queue, so only the first entry has to wake it.
  if (queue_.size() == 1) queued_.NotifyOne();
  return ++last_queued_;
}

absl::Status Metadata::WaitFor(Ticket ticket, Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const MutexLock lock(mutex_);
  while (last_written_ < ticket && !closed_) {
    const bool in_time = written_.WaitUntil(mutex_, deadline);
    if (last_written_ >= ticket) break;
    if (!error_.ok()) return Annotate(error_, "write metadata");
    if (!in_time) return absl::DeadlineExceededError("write metadata: timed out");
  }
  if (last_written_ < ticket) return absl::CancelledError("write metadata: storage was closed");
  return absl::OkStatus();
}

void Metadata::WriteQueued() {
  std::vector<Op> batch;
  while (true) {
    Ticket last = 0;
    {
      const MutexLock lock(mutex_);
      while (queue_.empty() && !closing_) queued_.Wait(mutex_);
      if (queue_.empty()) return;
      batch.swap(queue_);
      last = last_queued_;
    }
    absl::Status status = WriteBatch(batch);
    bool failed_anew = false;
    {
      const MutexLock lock(mutex_);
      failed_anew = !status.ok() && error_.ok();
      error_ = status;
      if (status.ok()) {
        last_written_ = last;
        batch.clear();
      } else {
        // Again, in the old order, with what came meanwhile behind it.
        for (Op& op : queue_) batch.push_back(std::move(op));
        queue_ = std::exchange(batch, {});
      }
      written_.NotifyAll();
    }
    if (failed_anew && warn_) warn_(StrCat("cannot write metadata: ", status.ToString()));
    if (status.ok()) continue;
    const MutexLock lock(mutex_);
    if (closing_) return;
    const auto retry_at = std::chrono::steady_clock::now() + kRetryAfter;
    while (!closing_ && queued_.WaitUntil(mutex_, retry_at)) {
    }
  }
}

absl::Status Metadata::WriteBatch(const std::vector<Op>& batch) {
  RETURN_IF_ERROR(db_.Execute("BEGIN IMMEDIATE"));
  absl::Status status;
  for (const Op& op : batch) {
    status = std::visit([this](const auto& change) { return Apply(change); }, op);
    if (!status.ok()) break;
  }
  if (status.ok()) status = db_.Execute("COMMIT");
  // Some errors have rolled back already; then this one does nothing.
  if (!status.ok()) (void)db_.Execute("ROLLBACK");
  return status;
}

absl::Status Metadata::Apply(const TaskRow& op) {
  const TaskSpec& spec = op.spec;
  RETURN_IF_ERROR(put_task_.Bind(1, op.row)
                      .Bind(2, static_cast<std::int64_t>(spec.kind))
                      .Bind(3, spec.id.str())
                      .Bind(4, Signed(spec.piece_length))
                      .Bind(5, Signed(spec.content_length))
                      .Bind(6, static_cast<std::int64_t>(spec.persistent))
                      .Bind(7, static_cast<std::int64_t>(spec.ttl.count()))
                      .Bind(8, ToNanoseconds(op.times.created_at))
                      .Bind(9, ToNanoseconds(op.times.updated_at))
                      .Bind(10, ToNanoseconds(op.times.prefetched_at))
                      .Bind(11, ToNanoseconds(op.times.failed_at))
                      .Bind(12, ToNanoseconds(op.times.finished_at))
                      .Bind(13, static_cast<std::int64_t>(op.suspect))
                      .Run());
  std::int64_t position = 0;
  for (const auto& [name, value] : spec.response_headers) {
    RETURN_IF_ERROR(
        put_header_.Bind(1, op.row).Bind(2, position++).Bind(3, name).Bind(4, value).Run());
  }
  return absl::OkStatus();
}

absl::Status Metadata::Apply(const PutTimesOp& op) {
  return put_times_.Bind(1, op.row)
      .Bind(2, ToNanoseconds(op.times.created_at))
      .Bind(3, ToNanoseconds(op.times.updated_at))
      .Bind(4, ToNanoseconds(op.times.prefetched_at))
      .Bind(5, ToNanoseconds(op.times.failed_at))
      .Bind(6, ToNanoseconds(op.times.finished_at))
      .Run();
}

absl::Status Metadata::Apply(const PutPieceOp& op) {
  std::optional<std::int64_t> crc32;
  if (op.piece.crc32.has_value()) crc32 = *op.piece.crc32;
  return put_piece_.Bind(1, op.row)
      .Bind(2, static_cast<std::int64_t>(op.piece.number))
      .Bind(3, Signed(op.piece.offset))
      .Bind(4, Signed(op.piece.length))
      .Bind(5, crc32)
      .Bind(6, op.piece.parent_id.str())
      .Bind(7, static_cast<std::int64_t>(op.piece.traffic_type))
      .Bind(8, static_cast<std::int64_t>(op.piece.cost.count()))
      .Bind(9, ToNanoseconds(op.piece.created_at))
      .Run();
}

absl::Status Metadata::Apply(const DropPieceOp& op) {
  return drop_piece_.Bind(1, op.row).Bind(2, static_cast<std::int64_t>(op.number)).Run();
}

absl::Status Metadata::Apply(const DropTaskOp& op) {
  RETURN_IF_ERROR(drop_pieces_.Bind(1, op.row).Run());
  RETURN_IF_ERROR(drop_headers_.Bind(1, op.row).Run());
  return drop_task_.Bind(1, op.row).Run();
}

absl::Status Metadata::Apply(const ClearSuspectOp& op) {
  return clear_suspect_.Bind(1, op.row).Run();
}

absl::Status Metadata::Close(bool clean) {
  {
    const MutexLock lock(mutex_);
    if (closed_) return absl::OkStatus();
    closing_ = true;
    queued_.NotifyAll();
    written_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  absl::Status status;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    status = error_;
    written_.NotifyAll();
  }
  if (clean && status.ok()) status = SetMeta("clean", "1");
  // Statements first: a connection with open statements does not check its journal in.
  for (SqliteStatement* statement :
       {&put_task_, &put_header_, &put_times_, &put_piece_, &drop_piece_, &drop_pieces_,
        &drop_headers_, &drop_task_, &clear_suspect_}) {
    const SqliteStatement finished = std::move(*statement);
  }
  db_ = SqliteDb();
  return status;
}

}  // namespace dragonfly::dfdaemon
