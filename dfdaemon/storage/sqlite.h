#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dragonfly::dfdaemon {

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
  /// Step() of a statement that returns no rows, and Reset().
  absl::Status Run();
  void Reset();

  [[nodiscard]] std::int64_t Int(int column) const;
  [[nodiscard]] std::optional<std::int64_t> OptionalInt(int column) const;
  [[nodiscard]] std::string Text(int column) const;

 private:
  friend class SqliteDb;
  sqlite3_stmt* statement_ = nullptr;
};

/// A connection. Used by one thread at a time.
class SqliteDb {
 public:
  /// Creates the file when absent. Errors of any call: DataLoss for a file that is damaged or no
  /// database, ResourceExhausted for a full disk, Internal for the rest.
  static absl::StatusOr<SqliteDb> Open(const std::string& path);
  SqliteDb() = default;
  SqliteDb(SqliteDb&& other) noexcept;
  SqliteDb& operator=(SqliteDb&& other) noexcept;
  ~SqliteDb();

  absl::Status Execute(const char* sql);
  absl::StatusOr<SqliteStatement> Prepare(std::string_view sql);
  /// The single number that `sql` selects.
  absl::StatusOr<std::int64_t> QueryInt(std::string_view sql);

 private:
  sqlite3* db_ = nullptr;
};

}  // namespace dragonfly::dfdaemon
