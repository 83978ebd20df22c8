#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// A storage folder for one input of a fuzz target; goes away with the object. In memory where the
/// machine has such a file system.
class ReloadFolder {
 public:
  ReloadFolder();
  ~ReloadFolder();
  ReloadFolder(const ReloadFolder&) = delete;
  ReloadFolder& operator=(const ReloadFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Path of the records: storage.db, or what SQLite lays beside it.
  [[nodiscard]] std::string Records(std::string_view suffix = "") const;
  void Write(const std::string& file, std::string_view bytes) const;
  /// A content file of a standard task.
  void WriteContent(const std::string& id, std::string_view bytes) const;

 private:
  std::string path_;
};

/// What a storage left in its folder after a clean stop.
struct GoodStorage {
  std::string records;  ///< Bytes of storage.db.
  struct Content {
    std::string id;
    std::string bytes;
  };
  std::vector<Content> contents;

  /// Three tasks, one of them empty and one without its last piece.
  static GoodStorage Make();
};

/// Opens a storage on what lies in the folder, and checks that it came up, that all it says to have
/// is possible, and that it works: pieces can be checked and fetched, and everything is there again
/// after another start. Ends the process when not.
void CheckReload(const std::string& dir);

}  // namespace dragonfly::dfdaemon
