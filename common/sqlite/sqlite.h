#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dragonfly {

/// One prepared statement. Parameters count from 1, columns from 0, as SQLite has them.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&& other) noexcept;
  ~SqliteStatement();

  SqliteStatement& Bind(int parameter, std::int64_t value);
  SqliteStatement& Bind(int parameter, std::optional<std::int64_t> value);
  /// `text` must stay until the next Step() or Run().
  SqliteStatement& Bind(int parameter, std::string_view text);

  /// True when there is a row to read.
  absl::StatusOr<bool> Step();
  /// Step() of a statement whose rows nobody wants, and Reset().
  absl::Status Run();
  void Reset();

  [[nodiscard]] std::int64_t Int(int column) const;
  [[nodiscard]] std::optional<std::int64_t> OptionalInt(int column) const;
  /// Empty for NULL.
  [[nodiscard]] std::string Text(int column) const;

 private:
  friend class SqliteDb;
  sqlite3_stmt* statement_ = nullptr;
};

/// A connection. Used by one thread at a time. Every call blocks.
class SqliteDb {
 public:
  /// Creates the file when absent. Errors of any call: DataLoss for a file that is damaged or no
  /// database, InvalidArgument for a statement or value that the file cannot take (no such table),
  /// PermissionDenied for writing where nothing may be written, ResourceExhausted for a full disk,
  /// AlreadyExists where a unique key is taken, Unavailable when another process kept the file
  /// locked for 5 s, Internal for the rest.
  static absl::StatusOr<SqliteDb> Open(const std::string& path);
  SqliteDb() = default;
  SqliteDb(SqliteDb&& other) noexcept;
  SqliteDb& operator=(SqliteDb&& other) noexcept;
  ~SqliteDb();

  /// One or more statements without parameters.
  absl::Status Execute(const char* sql);
  absl::StatusOr<SqliteStatement> Prepare(std::string_view sql);
  /// The single number that `sql` selects.
  absl::StatusOr<std::int64_t> QueryInt(std::string_view sql);

  /// Rows that the last INSERT, UPDATE or DELETE changed.
  [[nodiscard]] std::int64_t Changes() const;
  [[nodiscard]] std::int64_t LastInsertId() const;

 private:
  sqlite3* db_ = nullptr;
};

/// Rolled back unless committed.
class SqliteTransaction {
 public:
  /// Takes the file's write lock at once, so that it cannot fail half-way for lack of it.
  static absl::StatusOr<SqliteTransaction> Begin(SqliteDb& db);
  /// Only reads, all of one moment.
  static absl::StatusOr<SqliteTransaction> BeginRead(SqliteDb& db);
  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();

  absl::Status Commit();

 private:
  explicit SqliteTransaction(SqliteDb& db) : db_(&db) {}
  SqliteDb* db_;
};

}  // namespace dragonfly
