#include "common/http/curl_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>

#include "common/testing/matchers.h"

namespace dragonfly::internal {
namespace {

using testing::ElementsAre;
using testing::Pair;

absl::Status Feed(ResponseHeadReader& reader, std::initializer_list<const char*> lines) {
  for (const char* line : lines) {
    if (auto progress = reader.OnLine(line); !progress.ok()) return progress.status();
  }
  return absl::OkStatus();
}

TEST(ResponseHeadReaderTest, ReadsTheFinalHeadBehindInterimOnes) {
  ResponseHeadReader reader(false);
  ASSERT_THAT(Feed(reader, {"HTTP/1.1 100 Continue\r\n", "\r\n", "HTTP/1.1 103 Early Hints\r\n",
                            "Link: x\r\n", "\r\n", "HTTP/1.1 200 OK\r\n", "A: 1 \r\n",
                            "  folded\r\n", "no colon\r\n", "bad name : 2\r\n", "\r\n"}),
              IsOk());
  ASSERT_TRUE(reader.complete());
  EXPECT_EQ(reader.head().status_code, 200);
  EXPECT_THAT(reader.head().headers, ElementsAre(Pair("A", "1 folded")));
  ASSERT_THAT(Feed(reader, {"Trailer: 1\r\n", "\r\n"}), IsOk());
  EXPECT_EQ(reader.head().headers.size(), 1U);
}

TEST(ResponseHeadReaderTest, PassesOverRedirectsWhenTheyAreFollowed) {
  for (const bool skip : {false, true}) {
    ResponseHeadReader reader(skip);
    ASSERT_THAT(Feed(reader, {"HTTP/2 302\r\n", "location: /x\r\n", "\r\n"}), IsOk());
    EXPECT_EQ(reader.complete(), !skip);
  }
  ResponseHeadReader no_location(true);
  ASSERT_THAT(Feed(no_location, {"HTTP/1.0 304 Not Modified\r\n", "\r\n"}), IsOk());
  EXPECT_TRUE(no_location.complete());
  EXPECT_EQ(no_location.head().version, 10U);
}

TEST(ResponseHeadReaderTest, RefusesWhatIsNoStatusLine) {
  for (const char* line : {"HTTP/1.1\r\n", "HTTP/1.1 20\r\n", "HTTP/1.1 2000 OK\r\n",
                           "HTTP/1.1 0xx\r\n", "ICY 200 OK\r\n"}) {
    ResponseHeadReader reader(false);
    EXPECT_THAT(Feed(reader, {line}), StatusIs(absl::StatusCode::kDataLoss)) << line;
  }
}

TEST(ResponseHeadReaderTest, LimitsTheHead) {
  ResponseHeadReader reader(false);
  ASSERT_THAT(Feed(reader, {"HTTP/1.1 200 OK\r\n"}), IsOk());
  const std::string line = "A: " + std::string(100, 'x') + "\r\n";
  absl::Status status;
  for (int i = 0; i < 3000 && status.ok(); ++i) status = Feed(reader, {line.c_str()});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace dragonfly::internal
