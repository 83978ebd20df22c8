#include "common/testing/temp_dir.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace dragonfly {

namespace fs = std::filesystem;

TempDir::TempDir() {
  path_ = (fs::temp_directory_path() / "df-test-XXXXXX").string();
  DF_CHECK(::mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  std::error_code error;
  fs::remove_all(path_, error);
}

std::string TempDir::File(std::string_view name) const { return (fs::path(path_) / name).string(); }

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(StrCat("cannot open ", path));
  std::ostringstream content;
  content << in.rdbuf();
  return content.str();
}

void WriteFile(const std::string& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  DF_CHECK(out.good());
}

std::string TestDataFile(std::string_view name) {
  const char* dir = std::getenv("DF_TEST_DATA");
  return (fs::path(dir == nullptr ? "." : dir) / name).string();
}

}  // namespace dragonfly
