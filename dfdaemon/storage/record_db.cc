#include "dfdaemon/storage/record_db.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

// Described in docs/formats/storage.md.
constexpr int kLayoutVersion = 1;
constexpr char kLayout[] = R"sql(
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

// Rows beyond have been written by nobody; there has to be room for further ones.
constexpr std::int64_t kMaxRow = std::numeric_limits<std::int64_t>::max() / 2;
// In the year 2116. Sums and differences of such times, and of a time and a duration, do not
// overflow.
constexpr std::int64_t kMaxNanoseconds = std::numeric_limits<std::int64_t>::max() / 2;
constexpr std::int64_t kMaxTtl = kMaxNanoseconds / 1'000'000'000 - 1;
// No kind that a storage knows.
constexpr std::int64_t kUnknownKind = 255;

std::int64_t ToNanoseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

WallTime FromNanoseconds(std::int64_t value) {
  const std::chrono::nanoseconds since_epoch(std::clamp<std::int64_t>(value, 0, kMaxNanoseconds));
  return WallTime(std::chrono::duration_cast<WallTime::duration>(since_epoch));
}

std::optional<std::int64_t> ToNanoseconds(std::optional<WallTime> time) {
  if (!time.has_value()) return std::nullopt;
  return ToNanoseconds(*time);
}

std::optional<WallTime> FromNanoseconds(std::optional<std::int64_t> value) {
  if (!value.has_value()) return std::nullopt;
  return FromNanoseconds(*value);
}

TaskKind KindOf(std::int64_t value) {
  return static_cast<TaskKind>(value >= 0 && value < kUnknownKind ? value : kUnknownKind);
}

std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }

// What a file holds besides records, as text.
absl::StatusOr<std::string> LayoutOf(SqliteDb& db) {
  ASSIGN_OR_RETURN(
      SqliteStatement select,
      db.Prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"));
  std::string layout;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return layout;
    for (const int column : {0, 1, 2, 3}) layout += StrCat(select.Text(column), "\n");
  }
}

absl::Status MakeLayout(SqliteDb& db) {
  return db.Execute(StrCat("BEGIN;", std::string_view(kLayout), "COMMIT;").c_str());
}

// Errors that come from what is in the file, not from the disk: they would not go away.
absl::Status DamageOf(absl::Status status) {
  if (!absl::IsInvalidArgument(status) && !absl::IsAlreadyExists(status)) return status;
  return absl::DataLossError(status.message());
}

absl::Status OutOfOrder(std::string_view table) {
  return absl::DataLossError(StrCat("table ", table, " is out of order"));
}

}  // namespace

absl::StatusOr<RecordDb> RecordDb::Open(const std::string& path, std::string_view boot_id) {
  RecordDb result;
  ASSIGN_OR_RETURN(result.db_, SqliteDb::Open(path));
  absl::Status status = DamageOf(result.Begin(boot_id));
  // A file may say of itself that only newer versions of SQLite can write it.
  if (absl::IsPermissionDenied(status) && ::access(path.c_str(), W_OK) == 0) {
    status = absl::DataLossError(status.message());
  }
  RETURN_IF_ERROR(status);
  return result;
}

absl::Status RecordDb::Begin(std::string_view boot_id) {
  RETURN_IF_ERROR(CheckLayout());
  RETURN_IF_ERROR(CheckPages());
  RETURN_IF_ERROR(CheckBoot(boot_id));
  // From here on a commit survives the end of the process, and the end of the machine takes at most
  // the last commits away, never one in the middle.
  RETURN_IF_ERROR(db_.Execute("PRAGMA synchronous = NORMAL"));
  RETURN_IF_ERROR(FindLastRow());
  return Prepare();
}

absl::Status RecordDb::CheckLayout() {
  // FULL until the boot id is recorded: see CheckBoot(). The first two are for damaged files.
  RETURN_IF_ERROR(
      db_.Execute("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -512;"
                  "PRAGMA journal_size_limit = 4194304;"));
  ASSIGN_OR_RETURN(const std::int64_t version, db_.QueryInt("PRAGMA user_version"));
  if (version != 0 && version != kLayoutVersion) {
    return absl::DataLossError(StrCat("unknown layout version ", version));
  }
  ASSIGN_OR_RETURN(std::string layout, LayoutOf(db_));
  if (version == 0 && layout.empty()) return MakeLayout(db_);
  // A view or a trigger in a damaged file could do anything.
  ASSIGN_OR_RETURN(SqliteDb model, SqliteDb::Open(":memory:"));
  RETURN_IF_ERROR(MakeLayout(model));
  ASSIGN_OR_RETURN(const std::string wanted, LayoutOf(model));
  if (layout != wanted) return absl::DataLossError("tables are not as they were made");
  return absl::OkStatus();
}

// Damage in a page that is only written later would keep further records from being written for as
// long as this process runs. A fifth of a second for a million pieces.
absl::Status RecordDb::CheckPages() {
  ASSIGN_OR_RETURN(SqliteStatement check, db_.Prepare("PRAGMA integrity_check(1)"));
  ASSIGN_OR_RETURN(const bool row, check.Step());
  const std::string result = row ? check.Text(0) : "no answer";
  if (result != "ok") return absl::DataLossError(StrCat("damaged file: ", result));
  return absl::OkStatus();
}

absl::Status RecordDb::CheckBoot(std::string_view boot_id) {
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

absl::Status RecordDb::FindLastRow() {
  ASSIGN_OR_RETURN(last_row_, db_.QueryInt("SELECT max(coalesce((SELECT max(row) FROM task), 0),"
                                           "coalesce((SELECT max(task) FROM response_header), 0),"
                                           "coalesce((SELECT max(task) FROM piece), 0))"));
  if (last_row_ < 0 || last_row_ > kMaxRow) {
    return absl::DataLossError(StrCat("row ", last_row_, " is out of range"));
  }
  return absl::OkStatus();
}

absl::Status RecordDb::SetMeta(std::string_view key, std::string_view value) {
  ASSIGN_OR_RETURN(SqliteStatement put, db_.Prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)"));
  return put.Bind(1, key).Bind(2, value).Run();
}

absl::Status RecordDb::Prepare() {
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

// Rows have to ascend in all three loops: in a damaged file a page may lead back to an earlier one.
absl::Status RecordDb::Load(const std::function<void(TaskRow, std::vector<PieceRecord>)>& take) {
  ASSIGN_OR_RETURN(SqliteStatement select, db_.Prepare("SELECT * FROM task ORDER BY row"));
  std::optional<std::int64_t> last;
  while (true) {
    const auto more = select.Step();
    if (!more.ok()) return DamageOf(more.status());
    if (!*more) return absl::OkStatus();
    TaskRow task;
    task.row = select.Int(0);
    if (last.has_value() && task.row <= *last) return OutOfOrder("task");
    last = task.row;
    task.spec.kind = KindOf(select.Int(1));
    task.spec.id = TaskId(select.Text(2));
    task.spec.piece_length = static_cast<std::uint64_t>(select.Int(3));
    task.spec.content_length = static_cast<std::uint64_t>(select.Int(4));
    task.spec.persistent = select.Int(5) != 0;
    task.spec.ttl = std::chrono::seconds(std::clamp<std::int64_t>(select.Int(6), 0, kMaxTtl));
    task.times.created_at = FromNanoseconds(select.Int(7));
    task.times.updated_at = FromNanoseconds(select.Int(8));
    task.times.prefetched_at = FromNanoseconds(select.OptionalInt(9));
    task.times.failed_at = FromNanoseconds(select.OptionalInt(10));
    task.times.finished_at = FromNanoseconds(select.OptionalInt(11));
    task.suspect = select.Int(12) != 0;
    auto headers = LoadHeaders(task.row);
    if (!headers.ok()) return DamageOf(headers.status());
    task.spec.response_headers = *std::move(headers);
    auto pieces = LoadPieces(task.row);
    if (!pieces.ok()) return DamageOf(pieces.status());
    take(std::move(task), *std::move(pieces));
  }
}

absl::StatusOr<HeaderList> RecordDb::LoadHeaders(std::int64_t row) {
  ASSIGN_OR_RETURN(SqliteStatement select,
                   db_.Prepare("SELECT position, name, value FROM response_header WHERE task = ?"
                               " ORDER BY position"));
  select.Bind(1, row);
  HeaderList headers;
  std::optional<std::int64_t> last;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return headers;
    if (last.has_value() && select.Int(0) <= *last) return OutOfOrder("response_header");
    last = select.Int(0);
    headers.emplace_back(select.Text(1), select.Text(2));
  }
}

absl::StatusOr<std::vector<PieceRecord>> RecordDb::LoadPieces(std::int64_t row) {
  ASSIGN_OR_RETURN(
      SqliteStatement select,
      db_.Prepare("SELECT number, offset, length, crc32, parent_id, traffic_type, cost,"
                  "created_at FROM piece WHERE task = ? ORDER BY number"));
  select.Bind(1, row);
  std::vector<PieceRecord> pieces;
  std::int64_t last = -1;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return pieces;
    const std::int64_t number = select.Int(0);
    if (number <= last || number > std::numeric_limits<PieceNumber>::max()) {
      return OutOfOrder("piece");
    }
    last = number;
    PieceRecord& piece = pieces.emplace_back();
    piece.number = static_cast<PieceNumber>(number);
    piece.offset = static_cast<std::uint64_t>(select.Int(1));
    piece.length = static_cast<std::uint64_t>(select.Int(2));
    if (const auto crc = select.OptionalInt(3)) piece.crc32 = static_cast<std::uint32_t>(*crc);
    piece.parent_id = PeerId(select.Text(4));
    piece.traffic_type = static_cast<TrafficType>(std::clamp<std::int64_t>(select.Int(5), 0, 2));
    piece.cost =
        std::chrono::nanoseconds(std::clamp<std::int64_t>(select.Int(6), 0, kMaxNanoseconds));
    piece.created_at = FromNanoseconds(select.Int(7));
  }
}

absl::Status RecordDb::Write(const std::vector<RecordChange>& changes) {
  RETURN_IF_ERROR(db_.Execute("BEGIN IMMEDIATE"));
  absl::Status status;
  for (const RecordChange& change : changes) {
    status = std::visit([this](const auto& one) { return Apply(one); }, change);
    if (!status.ok()) break;
  }
  if (status.ok()) status = db_.Execute("COMMIT");
  // Some errors have rolled back already; then this one does nothing.
  if (!status.ok()) (void)db_.Execute("ROLLBACK");
  return status;
}

absl::Status RecordDb::Apply(const TaskRow& change) {
  const TaskSpec& spec = change.spec;
  RETURN_IF_ERROR(put_task_.Bind(1, change.row)
                      .Bind(2, static_cast<std::int64_t>(spec.kind))
                      .Bind(3, spec.id.str())
                      .Bind(4, Signed(spec.piece_length))
                      .Bind(5, Signed(spec.content_length))
                      .Bind(6, static_cast<std::int64_t>(spec.persistent))
                      .Bind(7, static_cast<std::int64_t>(spec.ttl.count()))
                      .Bind(8, ToNanoseconds(change.times.created_at))
                      .Bind(9, ToNanoseconds(change.times.updated_at))
                      .Bind(10, ToNanoseconds(change.times.prefetched_at))
                      .Bind(11, ToNanoseconds(change.times.failed_at))
                      .Bind(12, ToNanoseconds(change.times.finished_at))
                      .Bind(13, static_cast<std::int64_t>(change.suspect))
                      .Run());
  std::int64_t position = 0;
  for (const auto& [name, value] : spec.response_headers) {
    RETURN_IF_ERROR(
        put_header_.Bind(1, change.row).Bind(2, position++).Bind(3, name).Bind(4, value).Run());
  }
  return absl::OkStatus();
}

absl::Status RecordDb::Apply(const TimesChanged& change) {
  return put_times_.Bind(1, change.row)
      .Bind(2, ToNanoseconds(change.times.created_at))
      .Bind(3, ToNanoseconds(change.times.updated_at))
      .Bind(4, ToNanoseconds(change.times.prefetched_at))
      .Bind(5, ToNanoseconds(change.times.failed_at))
      .Bind(6, ToNanoseconds(change.times.finished_at))
      .Run();
}

absl::Status RecordDb::Apply(const PieceFinished& change) {
  std::optional<std::int64_t> crc32;
  if (change.piece.crc32.has_value()) crc32 = *change.piece.crc32;
  return put_piece_.Bind(1, change.row)
      .Bind(2, static_cast<std::int64_t>(change.piece.number))
      .Bind(3, Signed(change.piece.offset))
      .Bind(4, Signed(change.piece.length))
      .Bind(5, crc32)
      .Bind(6, change.piece.parent_id.str())
      .Bind(7, static_cast<std::int64_t>(change.piece.traffic_type))
      .Bind(8, static_cast<std::int64_t>(change.piece.cost.count()))
      .Bind(9, ToNanoseconds(change.piece.created_at))
      .Run();
}

absl::Status RecordDb::Apply(const PieceDropped& change) {
  return drop_piece_.Bind(1, change.row).Bind(2, static_cast<std::int64_t>(change.number)).Run();
}

absl::Status RecordDb::Apply(const TaskDropped& change) {
  RETURN_IF_ERROR(drop_pieces_.Bind(1, change.row).Run());
  RETURN_IF_ERROR(drop_headers_.Bind(1, change.row).Run());
  return drop_task_.Bind(1, change.row).Run();
}

absl::Status RecordDb::Apply(const SuspectCleared& change) {
  return clear_suspect_.Bind(1, change.row).Run();
}

absl::Status RecordDb::Close(bool clean) {
  const absl::Status status = clean ? SetMeta("clean", "1") : absl::OkStatus();
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
