#pragma once

#include <span>

namespace dragonfly::manager {

/// Statements that bring a database from version `index` to `index + 1`. Names of tables and
/// columns are those of the original v2.4.0, so that rows can be carried between MySQL and SQLite
/// unchanged. Never edit one that was released: add the next.
///
/// Times are text `YYYY-MM-DD hh:mm:ss.mmm` in UTC, JSON is text. Names compare without case, as
/// they do with the usual collations of MySQL.
std::span<const char* const> SqliteMigrations();

}  // namespace dragonfly::manager
