#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/temp_dir.h"
#include "dfdaemon/cli/dfget_options.h"
#include "dfdaemon/cli/output_file.h"
#include "dfdaemon/cli/progress.h"
#include "dfdaemon/cli/report.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

DfgetCommand Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "dfget");
  return ParseDfgetCommand(static_cast<int>(arguments.size()), arguments.data());
}

class DfgetOptionsTest : public ::testing::Test {
 protected:
  /// What validation says of a download to that output, after `change`.
  static std::string Refusal(const std::string& output,
                             const std::function<void(DfgetOptions&)>& change = {}) {
    DfgetOptions options;
    options.url = "https://example.com/file";
    options.output = output;
    if (change) change(options);
    return std::string(ValidateDfgetOptions(options).message());
  }
  std::string Path(const std::string& name) const { return dir_.File(name); }

  TempDir dir_;
};

TEST_F(DfgetOptionsTest, UsageErrorsExitWithTwoAndNameTheProblem) {
  EXPECT_EQ(Parse({}).exit_code, 2);
  EXPECT_THAT(Parse({}).text, HasSubstr("the following required arguments were not provided:"));
  EXPECT_THAT(Parse({"https://example.com/f"}).text, HasSubstr("--output <OUTPUT>"));
  EXPECT_THAT(Parse({"not a url", "-O", "x"}).text, StartsWith("error: invalid value 'not a url'"));
  EXPECT_THAT(Parse({"https://e.com/f", "-O", "x", "--overwrite=true"}).text,
              HasSubstr("unexpected value 'true' for '--overwrite' found; no more were expected"));
  EXPECT_THAT(Parse({"https://e.com/f", "-O", "x", "--timeout", "90"}).text,
              HasSubstr("--timeout"));
  EXPECT_EQ(Parse({"https://e.com/f", "-O", "x", "--max-concurrent-requests", "0"}).exit_code, 2);
  EXPECT_THAT(Parse({"https://e.com/f", "-O", "x", "--tag", "a", "--tag", "b"}).text,
              HasSubstr("cannot be used multiple times"));
  EXPECT_THAT(Parse({"https://e.com/f", "-O", "x", "-O", "y"}).text,
              HasSubstr("cannot be used multiple times"));
  EXPECT_THAT(Parse({"https://e.com/f", "-O", "x", "--overwrite", "--overwrite"}).text,
              HasSubstr("cannot be used multiple times"));
  EXPECT_THAT(Parse({"https://e.com/f", "-O", "x", "--nope"}).text,
              HasSubstr("unexpected argument '--nope'"));
  EXPECT_THAT(Parse({"https://e.com/f", "more", "-O", "x"}).text,
              HasSubstr("unexpected argument 'more'"));
}

TEST_F(DfgetOptionsTest, VersionWinsOverMissingArguments) {
  const DfgetCommand command = Parse({"-V"});
  EXPECT_EQ(command.exit_code, 0);
  EXPECT_THAT(command.text, StartsWith("dfget 0."));
}

TEST_F(DfgetOptionsTest, RepeatableFlagsTakeOneValueEach) {
  const DfgetCommand command =
      Parse({"-H", "A: 1", "-H", "B: 2,3", "https://e.com/f", "--output", "x"});
  ASSERT_TRUE(command.run) << command.text;
  EXPECT_THAT(command.options.headers, ::testing::ElementsAre("A: 1", "B: 2,3"));
  EXPECT_EQ(command.options.url, "https://e.com/f");
}

TEST_F(DfgetOptionsTest, RefusesOutputsThatCannotBeWritten) {
  EXPECT_EQ(Refusal(Path("no/such/file")),
            "output path " + Path("no/such") + " is not a directory");
  WriteFile(Path("there"), "x");
  EXPECT_EQ(Refusal(Path("there")), "output path " + Path("there") + " is already exist");
  EXPECT_EQ(Refusal(Path("there"), [](auto& o) { o.overwrite = true; }), "");
  EXPECT_EQ(Refusal("/"), "output path / is not exist");
  EXPECT_EQ(Refusal(Path("there"), [](auto& o) { o.url = "https://e.com/d/"; }),
            "output path " + Path("there") + " is not a directory");
  EXPECT_THAT(Refusal(Path("there"), [](auto& o) { o.overwrite = o.force_hard_link = true; }),
              HasSubstr("--force-hard-link"));
}

TEST_F(DfgetOptionsTest, RefusesBadPieceLengthAndDigestBeforeDownloading) {
  EXPECT_EQ(Refusal(Path("x"), [](auto& o) { o.piece_length = 4'000'000; }),
            "piece length 4000000 bytes is less than the minimum piece length 4194304 bytes");
  const auto refusal = [this](const std::string& digest) {
    return Refusal(Path("x"), [&digest](auto& o) { o.digest = digest; });
  };
  EXPECT_EQ(refusal("sha256:12"),
            "invalid digest(sha256:12): invalid sha256 digest length: 2, expected 64");
  EXPECT_EQ(refusal("md5:00"), "invalid digest(md5:00): invalid digest algorithm: md5");
  EXPECT_EQ(refusal("nothing"), "invalid digest(nothing): invalid digest: nothing");
  EXPECT_EQ(refusal("crc32:1234567890"), "");
  EXPECT_EQ(refusal("sha256:" + std::string(64, 'A')), "");
}

TEST_F(DfgetOptionsTest, RefusesFilesThatWouldLeaveTheDirectory) {
  const auto refusal = [this](const std::string& include) {
    return Refusal(dir_.path(), [&include](auto& o) {
      o.url = "s3://b/d/";
      o.include_files = {include};
    });
  };
  EXPECT_EQ(refusal("a["), "invalid glob pattern in include_files: 'a['");
  for (const std::string bad : {"../x", "./x", "/x", "a/../b"}) {
    EXPECT_THAT(refusal(bad),
                StartsWith("path is not a normal relative path in include_files: '" + bad + "'"));
  }
  for (const std::string good : {"f1", "sub/", "*.txt", "[a-z]", "[]]", "a/./b"}) {
    EXPECT_EQ(refusal(good), "");
  }
}

TEST_F(DfgetOptionsTest, NormalisesUrlAndOutput) {
  DfgetOptions options;
  options.url = "HTTPS://Example.COM:443/a b";
  options.output = Path("x/../file");
  ASSERT_TRUE(ValidateDfgetOptions(options).ok());
  EXPECT_EQ(options.url, "https://example.com/a%20b");
  EXPECT_EQ(options.output, Path("file"));
}

TEST_F(DfgetOptionsTest, TakesFlagsFromTheEnvironment) {
  ::setenv("DFGET_TAG", "from-env", 1);
  ::setenv("DFGET_APPLICATION", "from-env", 1);
  const auto command = Parse({"https://e.com/f", "-O", "x", "--application", "typed"});
  ::unsetenv("DFGET_TAG");
  ::unsetenv("DFGET_APPLICATION");
  ASSERT_TRUE(command.run) << command.text;
  EXPECT_EQ(command.options.tag, "from-env");
  EXPECT_EQ(command.options.application, "typed");
}

TEST_F(DfgetOptionsTest, ReadsDurationsAndSizes) {
  const auto command =
      Parse({"https://e.com/f", "-O", "x", "--timeout", "1h30m", "--piece-length=8mib"});
  ASSERT_TRUE(command.run) << command.text;
  EXPECT_EQ(command.options.timeout, std::chrono::minutes(90));
  EXPECT_EQ(command.options.piece_length, 8U << 20);
}

TEST_F(DfgetOptionsTest, HelpNamesEveryFlag) {
  const DfgetCommand command = Parse({"--help"});
  EXPECT_EQ(command.exit_code, 0);
  for (const std::string flag : {"--transfer-from-dfdaemon",
                                 "--overwrite",
                                 "--force-hard-link",
                                 "--output",
                                 "--endpoint",
                                 "--content-for-calculating-task-id",
                                 "--recursive",
                                 "--timeout",
                                 "--digest",
                                 "--priority",
                                 "--piece-length",
                                 "--application",
                                 "--tag",
                                 "--header",
                                 "--filtered-query-param",
                                 "--include-files",
                                 "--disable-back-to-source",
                                 "--storage-region",
                                 "--storage-endpoint",
                                 "--storage-access-key-id",
                                 "--storage-access-key-secret",
                                 "--storage-security-token",
                                 "--storage-session-token",
                                 "--storage-credential-path",
                                 "--storage-predefined-acl",
                                 "--storage-insecure-skip-verify",
                                 "--hdfs-delegation-token",
                                 "--hf-revision",
                                 "--hf-token",
                                 "--hf-base-url",
                                 "--ms-revision",
                                 "--ms-token",
                                 "--ms-base-url",
                                 "--max-files",
                                 "--max-concurrent-requests",
                                 "--no-progress",
                                 "--log-level",
                                 "--console",
                                 "--version"}) {
    EXPECT_THAT(command.text, HasSubstr(flag));
  }
}

TEST(SplitHeaderTest, CutsAtTheFirstColonAndTrims) {
  EXPECT_EQ(SplitHeader("A:  b:c ").value(), (std::pair<std::string, std::string>("A", "b:c")));
  EXPECT_FALSE(SplitHeader("nothing").has_value());
}

TEST(ReportTest, ShowsStatusMessageAndHeadersOfTheSource) {
  const auto details = ParseSourceErrorDetails(
      R"({"message":"404 Not Found","header":{"server":"x"},"status_code":404})");
  ASSERT_TRUE(details.has_value());
  const std::string stars(40, '*');
  EXPECT_EQ(ReportWriter(false).SourceFailed("Downloading Failed!", details->status_code,
                                             details->message, details->headers),
            "Downloading Failed!\n" + stars +
                "\nBad Status Code: 404\nMessage: 404 Not Found\nHeader: \n  [server]: x\n" +
                stars + "\n");
}

TEST(ReportTest, DetailsThatAreNotASourceErrorAreNotOne) {
  EXPECT_FALSE(ParseSourceErrorDetails("").has_value());
  EXPECT_FALSE(ParseSourceErrorDetails("not json").has_value());
  EXPECT_FALSE(ParseSourceErrorDetails("[1]").has_value());
  EXPECT_FALSE(ParseSourceErrorDetails(R"({"status_code":404})").has_value());
}

TEST(ProgressBarTest, ShowsSizeRateAndTimeLeft) {
  const SteadyTime start;
  ProgressBar bar("/model.bin", start, 120);
  bar.SetTotal(100 << 20);
  bar.Add(50 << 20, start + seconds(5));
  const std::string drawn = bar.Draw(start + seconds(5), false);
  EXPECT_THAT(drawn, StartsWith("/model.bin\n[00:00:05] [====="));
  EXPECT_THAT(drawn, HasSubstr("50% 50.00 MiB/100.00 MiB (10.00 MiB/s, 5.0s)"));
  EXPECT_FALSE(bar.DrawingDue(start + seconds(5) + milliseconds(10)));
  EXPECT_TRUE(bar.DrawingDue(start + seconds(5) + milliseconds(60)));
}

TEST(ProgressBarTest, EmptyContentIsDoneAtOnce) {
  ProgressBar bar("/empty", SteadyTime(), 80);
  bar.SetTotal(0);
  EXPECT_THAT(bar.Draw(SteadyTime(), false), HasSubstr("100%"));
}

TEST_F(DfgetOptionsTest, OutputFileAppearsOnlyWhenCommitted) {
  const std::string path = Path("file");
  {
    auto file = OutputFile::Create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->WriteAt(0, "abc").ok());
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path())) << "an abandoned file leaves nothing behind";
  auto file = OutputFile::Create(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->WriteAt(3, "def").ok());
  ASSERT_TRUE(file->WriteAt(0, "abc").ok());
  EXPECT_EQ(file->ComputeDigest(DigestAlgorithm::kSha256)->encoded, Sha256Hex("abcdef"));
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(std::filesystem::file_size(path), 6U);
}

TEST_F(DfgetOptionsTest, AFileDoesNotTakeThePlaceOfADevice) {
  EXPECT_TRUE(absl::IsInvalidArgument(OutputFile::Create("/dev/null").status()));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
