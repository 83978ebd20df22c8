#include "common/sqlite/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly {
namespace {

absl::Status ErrorOf(sqlite3* db, int code) {
  const std::string text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(text);
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_FORMAT:
      return absl::InvalidArgumentError(text);
    case SQLITE_READONLY:
      return absl::PermissionDeniedError(text);
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(text);
    case SQLITE_CONSTRAINT:
      if (db != nullptr && (sqlite3_extended_errcode(db) == SQLITE_CONSTRAINT_UNIQUE ||
                            sqlite3_extended_errcode(db) == SQLITE_CONSTRAINT_PRIMARYKEY)) {
        return absl::AlreadyExistsError(text);
      }
      return absl::InternalError(text);
    default:
      return absl::InternalError(text);
  }
}

}  // namespace

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)) {}

SqliteStatement& SqliteStatement::operator=(SqliteStatement&& other) noexcept {
  std::swap(statement_, other.statement_);
  return *this;
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

SqliteStatement& SqliteStatement::Bind(int parameter, std::int64_t value) {
  sqlite3_bind_int64(statement_, parameter, value);
  return *this;
}

SqliteStatement& SqliteStatement::Bind(int parameter, std::optional<std::int64_t> value) {
  if (value.has_value()) return Bind(parameter, *value);
  sqlite3_bind_null(statement_, parameter);
  return *this;
}

SqliteStatement& SqliteStatement::Bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL.
  const char* data = text.data() != nullptr ? text.data() : "";
  sqlite3_bind_text64(statement_, parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  absl::Status error = ErrorOf(sqlite3_db_handle(statement_), code);
  sqlite3_reset(statement_);
  return error;
}

absl::Status SqliteStatement::Run() {
  const auto row = Step();
  Reset();
  return row.status();
}

void SqliteStatement::Reset() { sqlite3_reset(statement_); }

std::int64_t SqliteStatement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::optional<std::int64_t> SqliteStatement::OptionalInt(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return Int(column);
}

std::string SqliteStatement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int length = sqlite3_column_bytes(statement_, column);
  if (bytes == nullptr || length <= 0) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(length)};
}

absl::StatusOr<SqliteDb> SqliteDb::Open(const std::string& path) {
  SqliteDb result;
  const int code =
      sqlite3_open_v2(path.c_str(), &result.db_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) return ErrorOf(result.db_, code);
  // Somebody looking into the file with the sqlite3 tool must not make a write fail.
  sqlite3_busy_timeout(result.db_, 5000);
  return result;
}

SqliteDb::SqliteDb(SqliteDb&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}

SqliteDb& SqliteDb::operator=(SqliteDb&& other) noexcept {
  std::swap(db_, other.db_);
  return *this;
}

SqliteDb::~SqliteDb() { sqlite3_close_v2(db_); }

absl::Status SqliteDb::Execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ErrorOf(db_, code);
}

absl::StatusOr<SqliteStatement> SqliteDb::Prepare(std::string_view sql) {
  SqliteStatement result;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &result.statement_, nullptr);
  if (code != SQLITE_OK) return ErrorOf(db_, code);
  return result;
}

absl::StatusOr<std::int64_t> SqliteDb::QueryInt(std::string_view sql) {
  ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) return absl::InternalError(StrCat("no row from: ", sql));
  return statement.Int(0);
}

std::int64_t SqliteDb::Changes() const { return sqlite3_changes64(db_); }

std::int64_t SqliteDb::LastInsertId() const { return sqlite3_last_insert_rowid(db_); }

absl::StatusOr<SqliteTransaction> SqliteTransaction::Begin(SqliteDb& db) {
  RETURN_IF_ERROR(db.Execute("BEGIN IMMEDIATE"));
  return SqliteTransaction(db);
}

absl::StatusOr<SqliteTransaction> SqliteTransaction::BeginRead(SqliteDb& db) {
  RETURN_IF_ERROR(db.Execute("BEGIN"));
  return SqliteTransaction(db);
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)) {}

SqliteTransaction::~SqliteTransaction() {
  // Fails only when SQLite rolled back by itself, which is as good.
  if (db_ != nullptr) (void)db_->Execute("ROLLBACK");
}

absl::Status SqliteTransaction::Commit() {
  RETURN_IF_ERROR(db_->Execute("COMMIT"));
  db_ = nullptr;
  return absl::OkStatus();
}

}  // namespace dragonfly
