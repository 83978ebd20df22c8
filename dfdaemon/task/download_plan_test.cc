#include "dfdaemon/task/download_plan.h"

#include <gmock/gmock.h>

#include "common/testing/matchers.h"

namespace dragonfly::dfdaemon {
namespace {

using absl::StatusCode;

DownloadRequest With(HeaderList headers) {
  DownloadRequest request;
  request.url = "https://example.com/a";
  request.request_headers = std::move(headers);
  return request;
}

TEST(RangeOfTest, TheRangeFieldWinsOverTheHeader) {
  auto request = With({{"Range", "bytes=5-6"}});
  request.range = ByteRange{1, 2};
  EXPECT_THAT(RangeOf(request, 10), IsOkAndHolds(ByteRange{1, 2}));
}

TEST(RangeOfTest, CutsAtTheEndAndRefusesWhatIsOutside) {
  auto request = With({});
  EXPECT_THAT(RangeOf(request, 10), IsOkAndHolds(std::nullopt));
  request.range = ByteRange{8, 100};
  EXPECT_THAT(RangeOf(request, 10), IsOkAndHolds(ByteRange{8, 2}));
  request.range = ByteRange{10, 1};
  EXPECT_THAT(RangeOf(request, 10), StatusIs(StatusCode::kFailedPrecondition));
  request.range = ByteRange{0, 0};
  EXPECT_THAT(RangeOf(request, 10), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(RangeOf(With({{"range", "bytes=-3"}}), 10), IsOkAndHolds(ByteRange{7, 3}));
}

TEST(BlobDigestOfTest, KnowsTheDigestOfABlobUrl) {
  const std::string hex(64, 'a');
  const auto digest = BlobDigestOf("https://r.example.com/v2/x/blobs/sha256:" + hex + "?ns=r");
  ASSERT_TRUE(digest.has_value());
  EXPECT_EQ(digest->algorithm, DigestAlgorithm::kSha256);
  EXPECT_EQ(digest->encoded, hex);
  EXPECT_FALSE(BlobDigestOf("https://r.example.com/v2/x/blobs/uploads/1").has_value());
  EXPECT_FALSE(BlobDigestOf("https://r.example.com/sha256:" + hex).has_value());
}

TEST(ForPrefetchTest, AsksForTheWholeAndForNothingElse) {
  auto request = With({{"RANGE", "bytes=0-1"}, {"Accept", "*/*"}});
  request.output_path = "/tmp/x";
  request.prefetch = true;
  const auto prefetch = ForPrefetch(request);
  EXPECT_FALSE(HasRange(prefetch));
  EXPECT_EQ(prefetch.request_headers.size(), 1U);
  EXPECT_TRUE(prefetch.is_prefetch);
  EXPECT_FALSE(prefetch.prefetch);
  EXPECT_FALSE(prefetch.output_path.has_value());
}

TEST(SourceKeyTest, DiffersByCredentialsAndNotByRange) {
  const TaskId id("a");
  const auto key = [&](HeaderList headers) {
    return SourceKey(MakeSourceRequest(With(std::move(headers)), id, std::chrono::seconds(1)));
  };
  EXPECT_EQ(key({{"Range", "bytes=0-1"}}), key({}));
  EXPECT_NE(key({{"Authorization", "a"}}), key({}));
  EXPECT_NE(key({{"A", "bc"}}), key({{"Ab", "c"}}));
}

TEST(HostOfPeerTest, TakesTheUuidOut) {
  const std::string uuid = "00000000-0000-4000-8000-000000000000";
  EXPECT_EQ(HostOfPeer(PeerId("10.0.0.1-a-b-" + uuid)), HostId("10.0.0.1-a-b"));
  EXPECT_EQ(HostOfPeer(PeerId("10.0.0.1-a-" + uuid + "-seed")), HostId("10.0.0.1-a-seed"));
  EXPECT_TRUE(HostOfPeer(PeerId("something")).empty());
  EXPECT_TRUE(HostOfPeer(PeerId(uuid)).empty());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
