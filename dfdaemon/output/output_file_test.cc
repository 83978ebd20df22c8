#include "dfdaemon/output/output_file.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "dfdaemon/storage/storage_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

namespace fs = std::filesystem;

// A second file system that every Linux has.
constexpr char kOtherFileSystem[] = "/dev/shm";

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

bool SameFile(const std::string& a, const std::string& b) {
  struct stat first{};
  struct stat second{};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
         first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

std::size_t Entries(const std::string& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

class OutputFileTest : public testing::Test {
 protected:
  OutputFileTest() {
    fs::create_directory(folder_.path() + "/out");
    content_.path = folder_.path() + "/content";
    WriteFile(content_.path, text_);
    content_.fd = ::open(content_.path.c_str(), O_RDONLY | O_CLOEXEC);
    content_.length = text_.size();
    request_.path = out_ + "/file";
  }
  ~OutputFileTest() override { ::close(content_.fd); }

  absl::Status Place() { return PlaceOutputBlocking(request_, content_, &method_); }

  const TempDir folder_;
  const std::string out_ = folder_.path() + "/out";
  const std::string text_ = Content(300'000);
  OutputContent content_;
  OutputRequest request_;
  OutputMethod method_ = OutputMethod::kNothingToDo;
};

TEST(ValidateOutputPathTest, RefusesWhatCouldLeaveItsFolder) {
  EXPECT_TRUE(ValidateOutputPath("/a/b.c/..d").ok());
  for (const char* bad : {"", "a/b", "/a/../b", "/..", "/a/./b", "/a/..", "/a/"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateOutputPath(bad))) << bad;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ValidateOutputPath(std::string("/a\0b", 4))));
  EXPECT_TRUE(absl::IsInvalidArgument(ValidateOutputPath("/" + std::string(5000, 'a'))));
}

TEST_F(OutputFileTest, AnotherFileIsLeftAloneWithoutOverwrite) {
  WriteFile(request_.path, "mine");
  EXPECT_TRUE(absl::IsAlreadyExists(CheckOutputBlocking(request_, content_.path)));
  const absl::Status status = Place();
  EXPECT_TRUE(absl::IsAlreadyExists(status));
  EXPECT_NE(status.message().find("is already exists"), std::string::npos);
  EXPECT_EQ(ReadFile(request_.path), "mine");
  EXPECT_EQ(Entries(out_), 1U);
}

TEST_F(OutputFileTest, AMissingFolderIsToldAtOnce) {
  request_.path = out_ + "/none/file";
  const absl::Status status = CheckOutputBlocking(request_, content_.path);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_NE(status.message().find("No such file"), std::string::npos) << status;
  EXPECT_FALSE(Place().ok());
}

TEST_F(OutputFileTest, AFolderIsNeverReplaced) {
  request_.path = out_;
  request_.overwrite = true;
  EXPECT_FALSE(CheckOutputBlocking(request_, content_.path).ok());
  EXPECT_FALSE(Place().ok());
}

TEST_F(OutputFileTest, LinksWhereItCan) {
  EXPECT_TRUE(CheckOutputBlocking(request_, content_.path).ok());
  EXPECT_FALSE(fs::exists(request_.path)) << "a check leaves nothing";
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(method_, OutputMethod::kHardLink);
  EXPECT_TRUE(SameFile(request_.path, content_.path));
  ASSERT_TRUE(Place().ok()) << "the same again";
  EXPECT_EQ(method_, OutputMethod::kNothingToDo);
}

TEST_F(OutputFileTest, OverwriteReplacesInOneStep) {
  WriteFile(request_.path, "old");
  request_.overwrite = true;
  EXPECT_TRUE(CheckOutputBlocking(request_, content_.path).ok());
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(ReadFile(request_.path), text_);
  EXPECT_EQ(Entries(out_), 1U);
}

TEST_F(OutputFileTest, OverwriteReplacesASymlinkAndNotItsTarget) {
  WriteFile(folder_.path() + "/target", "target");
  fs::create_symlink(folder_.path() + "/target", request_.path);
  request_.overwrite = true;
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(ReadFile(folder_.path() + "/target"), "target");
  EXPECT_EQ(ReadFile(request_.path), text_);
}

TEST_F(OutputFileTest, APipeIsNeverReplaced) {
  ASSERT_EQ(::mkfifo(request_.path.c_str(), 0600), 0);
  request_.overwrite = true;
  EXPECT_FALSE(CheckOutputBlocking(request_, content_.path).ok());
  EXPECT_FALSE(Place().ok());
  EXPECT_TRUE(fs::is_fifo(request_.path));
}

// Numbers of devices that every Linux has.
class DeviceTest : public OutputFileTest {
 protected:
  bool MakeDevice(unsigned minor) {
    return ::mknod(request_.path.c_str(), S_IFCHR | 0600, makedev(1, minor)) == 0 &&
           ::access(request_.path.c_str(), W_OK) == 0 &&
           std::ofstream(request_.path, std::ios::app).is_open();
  }
};

TEST_F(DeviceTest, IsWrittenIntoAndStaysADevice) {
  if (!MakeDevice(3)) GTEST_SKIP() << "may not make devices";  // null
  EXPECT_TRUE(absl::IsAlreadyExists(CheckOutputBlocking(request_, content_.path)));
  EXPECT_TRUE(absl::IsAlreadyExists(Place()));
  request_.overwrite = true;
  EXPECT_TRUE(CheckOutputBlocking(request_, content_.path).ok());
  EXPECT_TRUE(Place().ok());
  EXPECT_EQ(method_, OutputMethod::kCopy);
  EXPECT_TRUE(fs::is_character_file(request_.path));
  EXPECT_EQ(Entries(out_), 1U);
}

TEST_F(DeviceTest, ThatIsFullIsReportedAsNoSpace) {
  if (!MakeDevice(7)) GTEST_SKIP() << "may not make devices";  // full
  request_.overwrite = true;
  EXPECT_TRUE(absl::IsResourceExhausted(Place()));
  EXPECT_TRUE(fs::is_character_file(request_.path));
}

class OtherFileSystemTest : public OutputFileTest {
 protected:
  void SetUp() override {
    std::string pattern = std::string(kOtherFileSystem) + "/output-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) GTEST_SKIP() << "no " << kOtherFileSystem;
    other_ = pattern;
    struct stat here{};
    struct stat there{};
    ASSERT_EQ(::stat(out_.c_str(), &here), 0);
    ASSERT_EQ(::stat(other_.c_str(), &there), 0);
    if (here.st_dev == there.st_dev) GTEST_SKIP() << "the same file system";
    request_.path = other_ + "/file";
  }
  ~OtherFileSystemTest() override {
    std::error_code ignored;
    if (!other_.empty()) fs::remove_all(other_, ignored);
  }

  std::string other_;
};

TEST_F(OtherFileSystemTest, CopiesAcrossFileSystems) {
  EXPECT_TRUE(CheckOutputBlocking(request_, content_.path).ok());
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(method_, OutputMethod::kCopy);
  EXPECT_EQ(ReadFile(request_.path), text_);
  EXPECT_EQ(Entries(other_), 1U);
}

TEST_F(OtherFileSystemTest, CopiesOverAnotherFileWithOverwrite) {
  WriteFile(request_.path, "old");
  EXPECT_TRUE(absl::IsAlreadyExists(Place()));
  request_.overwrite = true;
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(ReadFile(request_.path), text_);
  EXPECT_EQ(Entries(other_), 1U);
}

TEST_F(OtherFileSystemTest, AForcedHardLinkFailsBeforeTheDownload) {
  request_.force_hard_link = true;
  EXPECT_FALSE(CheckOutputBlocking(request_, content_.path).ok());
  EXPECT_FALSE(Place().ok());
  EXPECT_EQ(Entries(other_), 0U);
}

TEST_F(OtherFileSystemTest, ARangeIsNotCopied) {
  request_.is_range = true;
  EXPECT_TRUE(Place().ok());
  EXPECT_EQ(Entries(other_), 0U);
}

TEST_F(OtherFileSystemTest, ContentThatIsTooShortLeavesNoFile) {
  content_.length += 1;
  EXPECT_FALSE(Place().ok());
  EXPECT_EQ(Entries(other_), 0U);
}

TEST(OutputOnAFullDiskTest, FailsAndLeavesNoFile) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const TempDir folder;
  const std::string small = folder.path() + "/small";
  fs::create_directory(small);
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "no mount";
  const std::string text = Content(1 << 20);
  OutputContent content{folder.path() + "/content", -1, text.size()};
  WriteFile(content.path, text);
  content.fd = ::open(content.path.c_str(), O_RDONLY | O_CLOEXEC);
  OutputRequest request;
  request.path = small + "/file";
  EXPECT_TRUE(absl::IsResourceExhausted(PlaceOutputBlocking(request, content)));
  EXPECT_EQ(Entries(small), 0U);
  ::close(content.fd);
  ::umount(small.c_str());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
