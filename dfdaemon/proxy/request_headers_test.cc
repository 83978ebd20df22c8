#include "dfdaemon/proxy/request_headers.h"

#include "common/testing/matchers.h"
#include "dfdaemon/proxy/admission_cache.h"

namespace dragonfly::dfdaemon {
namespace {

using testing::ElementsAre;
using testing::Pair;
using std::chrono::seconds;

TEST(DragonflyHeadersTest, TakesDefaultsForWhatCannotBeRead) {
  const auto none = ReadDragonflyHeaders({});
  ASSERT_THAT(none, IsOk());
  EXPECT_EQ(none->priority, Priority::kLevel6);
  EXPECT_FALSE(none->tag);
  const auto odd = ReadDragonflyHeaders({{"X-Dragonfly-Priority", "high"},
                                         {"X-Dragonfly-Piece-Length", "some"},
                                         {"X-Dragonfly-Use-P2P", "TRUE"},
                                         {"X-Dragonfly-Prefetch", "yes"},
                                         {"X-Dragonfly-Filtered-Query-Params", " a, ,b "}});
  ASSERT_THAT(odd, IsOk());
  EXPECT_EQ(odd->priority, Priority::kLevel6);
  EXPECT_FALSE(odd->piece_length);
  EXPECT_TRUE(odd->use_p2p);
  EXPECT_EQ(odd->prefetch, false);
  EXPECT_THAT(*odd->filtered_query_params, ElementsAre("a", "b"));
}

TEST(DragonflyHeadersTest, RefusesWhatWouldBeWrong) {
  for (const HttpHeaders& headers : {HttpHeaders{{"X-Dragonfly-Piece-Length", "1MiB"}},
                                     HttpHeaders{{"X-Dragonfly-Piece-Length", "65MiB"}},
                                     HttpHeaders{{"X-Dragonfly-Output-Path", "relative"}}}) {
    EXPECT_THAT(ReadDragonflyHeaders(headers), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(EndToEndHeadersTest, LeavesOutWhatBelongsToTheConnection) {
  EXPECT_THAT(EndToEndHeaders({{"Connection", "close, X-Hop, authorization"},
                               {"X-Hop", "1"},
                               {"Authorization", "Bearer x"},
                               {"Proxy-Authorization", "Basic y"},
                               {"TE", "trailers"},
                               {"Transfer-Encoding", "chunked"},
                               {"Upgrade", "h2c"},
                               {"Accept", "a"}}),
              ElementsAre(Pair("Authorization", "Bearer x"), Pair("Accept", "a")));
}

TEST(SourceHeadersTest, AsksForTheWholePlainContent) {
  EXPECT_THAT(SourceHeaders({{"Host", "h"},
                             {"Accept-Encoding", "gzip"},
                             {"If-None-Match", "e"},
                             {"X-Dragonfly-Tag", "t"},
                             {"Range", "bytes=1-2"},
                             {"User-Agent", "u"}}),
              ElementsAre(Pair("Range", "bytes=1-2"), Pair("User-Agent", "u")));
}

AdmissionKey Key(const HttpHeaders& headers, const std::string& url = "https://r/x") {
  return MakeAdmissionKey(TaskId("t"), url, headers);
}

TEST(AdmissionCacheTest, TellsCallersApartByWhatAnOriginMayLookAt) {
  const AdmissionKey anonymous = Key({{"User-Agent", "a"}, {"Range", "bytes=0-"}});
  EXPECT_TRUE(anonymous.anonymous);
  EXPECT_EQ(anonymous.text, Key({{"user-agent", "b"}}).text);
  EXPECT_NE(anonymous.text, Key({{"Authorization", "x"}}).text);
  EXPECT_NE(anonymous.text, Key({}, "https://other/x").text);
  EXPECT_FALSE(Key({{"X-Api-Key", "x"}}).anonymous);
  EXPECT_FALSE(Key({}, "https://r/x?signature=y").anonymous);
}

TEST(AdmissionCacheTest, TrustsAWordForAWhileAndLongerWithoutCredentials) {
  AdmissionLimits limits;
  limits.fresh = seconds(10);
  limits.stale = seconds(100);
  AdmissionCache cache(limits);
  const SteadyTime start{std::chrono::hours(1)};
  const AdmissionKey known = Key({{"Authorization", "x"}});
  const AdmissionKey anonymous = Key({});
  EXPECT_FALSE(cache.IsFresh(known, start));
  EXPECT_FALSE(cache.StandsWithoutOrigin(anonymous, start));
  cache.Admitted(known, start);
  cache.Admitted(anonymous, start);
  EXPECT_TRUE(cache.IsFresh(known, start + seconds(9)));
  EXPECT_FALSE(cache.IsFresh(known, start + seconds(10)));
  EXPECT_TRUE(cache.StandsWithoutOrigin(known, start + seconds(99)));
  EXPECT_FALSE(cache.StandsWithoutOrigin(known, start + seconds(100)));
  EXPECT_TRUE(cache.StandsWithoutOrigin(anonymous, start + seconds(100'000)));
  cache.Refused(anonymous);
  EXPECT_FALSE(cache.StandsWithoutOrigin(anonymous, start));
}

TEST(AdmissionCacheTest, ForgetsTheLeastRecentlyUsed) {
  AdmissionLimits limits;
  limits.entries_max = 2;
  AdmissionCache cache(limits);
  const SteadyTime now{};
  cache.Admitted(Key({}, "a"), now);
  cache.Admitted(Key({}, "b"), now);
  EXPECT_TRUE(cache.IsFresh(Key({}, "a"), now));
  cache.Admitted(Key({}, "c"), now);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_TRUE(cache.IsFresh(Key({}, "a"), now));
  EXPECT_FALSE(cache.IsFresh(Key({}, "b"), now));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
