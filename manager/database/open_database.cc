#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "manager/database/database.h"
#include "manager/database/sqlite_database.h"

namespace dragonfly::manager {

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const DatabaseOptions& options) {
  if (options.type == "sqlite") {
    ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database, SqliteDatabase::Open(options.path));
    return std::unique_ptr<Database>(std::move(database));
  }
  if (options.type == "mysql" || options.type == "mariadb" || options.type == "postgres" ||
      options.type == "polardb") {
    return absl::UnimplementedError(
        StrCat("database.type ", options.type, " is not implemented by this build; use sqlite"));
  }
  return absl::InvalidArgumentError(
      StrCat("database.type ", options.type, " is unknown; use sqlite"));
}

}  // namespace dragonfly::manager
