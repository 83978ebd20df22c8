#include <gmock/gmock.h>

#include "common/testing/matchers.h"
#include "common/testing/nginx.h"
#include "dfdaemon/source/source_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

using absl::StatusCode;

/// What fakes promise, against a server that people use.
class NginxSourceTest : public SourceTest {
 protected:
  void SetUp() override {
    WriteFile(dir_.File("file"), content_);
    WriteFile(dir_.File("empty"), "");
    WriteFile(dir_.File("page.html"), std::string(50'000, 'x'));
    auto nginx = StartNginx(dir_.path(), dir_.path(),
                            "gzip on; gzip_min_length 1;\n"
                            "location /moved/ { return 302 /file; }\n"
                            "location /secret { deny all; }\n");
    if (absl::IsNotFound(nginx.status())) GTEST_SKIP() << "nginx is not installed";
    ASSERT_THAT(nginx, IsOk());
    nginx_.emplace(*std::move(nginx));
  }
  SourceRequest At(const std::string& path, HeaderList headers = {}) {
    return For("http://" + nginx_->address() + path, std::move(headers));
  }

  const std::string content_ = TestContent(5'000'000);
  TempDir dir_;
  std::optional<RealServer> nginx_;
};

TEST_F(NginxSourceTest, ReadsAFileByPieces) {
  const auto stat = Stat(At("/file"));
  ASSERT_THAT(stat, IsOk());
  ASSERT_EQ(stat->content_length, content_.size());
  EXPECT_TRUE(stat->supports_ranges);
  SourceRequest request = At("/moved/file");
  request.etag = StrongEtag(stat->headers);
  EXPECT_FALSE(request.etag.empty());
  std::string joined;
  for (std::uint64_t offset = 0; offset < content_.size(); offset += 2'000'000) {
    const auto length = std::min<std::uint64_t>(2'000'000, content_.size() - offset);
    MemoryWriter writer(0, offset, length);
    ASSERT_THAT(Fetch(request, content_.size(), writer), IsOk());
    joined += writer.bytes;
  }
  EXPECT_TRUE(joined == content_);
}

TEST_F(NginxSourceTest, AnEmptyFileHasLengthZero) {
  const auto stat = Stat(At("/empty"));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->content_length, 0U);
}

TEST_F(NginxSourceTest, NeverGetsTheCompressedFormThatTheCallerWouldTake) {
  const auto stat = Stat(At("/page.html", {{"Accept-Encoding", "gzip"}}));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->content_length, 50'000U);
  EXPECT_FALSE(FindHeader(stat->headers, "Content-Encoding").has_value());
}

TEST_F(NginxSourceTest, RefusalsKeepTheirStatus) {
  EXPECT_THAT(Stat(At("/none")), StatusIs(StatusCode::kNotFound, "404 Not Found"));
  EXPECT_THAT(Stat(At("/secret")), StatusIs(StatusCode::kPermissionDenied, "403 Forbidden"));
}

TEST_F(NginxSourceTest, GoesOnWhenTheServerComesBack) {
  MemoryWriter before(0, 0, 1000);
  ASSERT_THAT(Fetch(At("/file"), content_.size(), before), IsOk());
  nginx_->process().Stop();
  ASSERT_THAT(nginx_->Restart(), IsOk());
  MemoryWriter after(0, 0, 1000);
  ASSERT_THAT(Fetch(At("/file"), content_.size(), after), IsOk());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
