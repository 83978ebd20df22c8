#include <gmock/gmock.h>

#include "common/testing/matchers.h"
#include "dfdaemon/source/source_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

using absl::StatusCode;

/// An origin that sends readers to a store on another port, as registries do.
class RedirectTest : public SourceTest {
 protected:
  const std::string content_ = TestContent(100'000);
  std::atomic<int> signature_ = 1;  ///< The store admits only this one.

  FakeOrigin store_{[this](const OriginRequest& request) {
    if (request.target != "/blob?sig=" + std::to_string(signature_)) {
      return FakeOrigin::Status(403, "Forbidden");
    }
    return FakeOrigin::Serve(request, content_);
  }};
  FakeOrigin origin_{[this](const OriginRequest& request) {
    if (request.target == "/loop") return FakeOrigin::Redirect(302, "/loop");
    if (request.target == "/nowhere") return FakeOrigin::Redirect(302, "ftp://x/");
    if (request.target == "/start") return FakeOrigin::Redirect(301, "step/../relative");
    if (request.target == "/relative") return FakeOrigin::Serve(request, content_);
    return FakeOrigin::Redirect(307, store_.Url("/blob?sig=") + std::to_string(signature_));
  }};

  std::string FetchText(const SourceRequest& request, std::uint64_t offset, std::uint64_t length) {
    MemoryWriter writer(0, offset, length);
    const absl::Status status = Fetch(request, content_.size(), writer);
    return status.ok() ? writer.bytes : status.ToString();
  }
};

TEST_F(RedirectTest, PiecesGoStraightToWhereTheStatWasSent) {
  const SourceRequest request = For(origin_.Url("/blob"));
  ASSERT_THAT(Stat(request), IsOk());
  for (std::uint64_t offset = 0; offset < 5000; offset += 1000) {
    EXPECT_TRUE(FetchText(request, offset, 1000) == content_.substr(offset, 1000));
  }
  EXPECT_EQ(origin_.request_count(), 1U);
  EXPECT_EQ(store_.request_count(), 6U);
}

TEST_F(RedirectTest, WhereHeadWasSentIsNotWherePiecesGo) {
  HttpSourceOptions options = ShortWaits();
  options.stat_by_head = true;
  Use(options);
  const SourceRequest request = For(origin_.Url("/blob"));
  ASSERT_THAT(Stat(request), IsOk());
  const std::size_t asked = origin_.request_count();
  EXPECT_TRUE(FetchText(request, 0, 1000) == content_.substr(0, 1000));
  EXPECT_TRUE(FetchText(request, 1000, 1000) == content_.substr(1000, 1000));
  EXPECT_GE(asked, 1U);
  // This store tells no ranges in HEAD, so a GET asked too and its target is known.
  EXPECT_EQ(origin_.request_count(), asked);
}

TEST_F(RedirectTest, CredentialsStayWithTheOrigin) {
  const HeaderList secrets{{"Authorization", "Bearer s"}, {"Cookie", "a=b"}, {"X-Other", "1"}};
  const SourceRequest request = For(origin_.Url("/blob"), secrets);
  ASSERT_THAT(Stat(request), IsOk());
  EXPECT_TRUE(FetchText(request, 0, 1000) == content_.substr(0, 1000));
  EXPECT_EQ(origin_.requests()[0].Header("Authorization"), "Bearer s");
  for (const OriginRequest& seen : store_.requests()) {
    EXPECT_FALSE(seen.Header("Authorization").has_value());
    EXPECT_FALSE(seen.Header("Cookie").has_value());
    EXPECT_EQ(seen.Header("X-Other"), "1");
  }
}

TEST_F(RedirectTest, AKnownTargetIsNotForOtherCredentials) {
  ASSERT_THAT(Stat(For(origin_.Url("/blob"), {{"Authorization", "Bearer a"}})), IsOk());
  const SourceRequest other = For(origin_.Url("/blob"), {{"Authorization", "Bearer b"}});
  EXPECT_TRUE(FetchText(other, 0, 1000) == content_.substr(0, 1000));
  EXPECT_EQ(origin_.request_count(), 2U);
}

TEST_F(RedirectTest, ATargetThatRefusesIsAskedForAnew) {
  const SourceRequest request = For(origin_.Url("/blob"));
  ASSERT_THAT(Stat(request), IsOk());
  signature_ = 2;
  EXPECT_TRUE(FetchText(request, 0, 1000) == content_.substr(0, 1000));
  EXPECT_TRUE(FetchText(request, 1000, 1000) == content_.substr(1000, 1000));
  EXPECT_EQ(origin_.request_count(), 2U);
}

TEST_F(RedirectTest, ATargetIsForgottenAfterItsTime) {
  const SourceRequest request = For(origin_.Url("/blob"));
  ASSERT_THAT(Stat(request), IsOk());
  clock_.Advance(std::chrono::seconds(601));
  EXPECT_TRUE(FetchText(request, 0, 1000) == content_.substr(0, 1000));
  EXPECT_EQ(origin_.request_count(), 2U);
}

TEST_F(RedirectTest, WithoutTheCacheEveryPieceAsksTheOrigin) {
  HttpSourceOptions options = ShortWaits();
  options.cache_redirects = false;
  Use(options);
  const SourceRequest request = For(origin_.Url("/blob"));
  ASSERT_THAT(Stat(request), IsOk());
  EXPECT_TRUE(FetchText(request, 0, 1000) == content_.substr(0, 1000));
  EXPECT_EQ(origin_.request_count(), 2U);
}

TEST_F(RedirectTest, RelativeTargetsAreFoundAndKeepCredentials) {
  const SourceRequest request = For(origin_.Url("/start"), {{"Authorization", "Bearer s"}});
  ASSERT_THAT(Stat(request), IsOk());
  EXPECT_EQ(origin_.requests()[1].target, "/relative");
  EXPECT_EQ(origin_.requests()[1].Header("Authorization"), "Bearer s");
}

TEST_F(RedirectTest, CirclesAndForeignSchemesEndWithAText) {
  EXPECT_THAT(Stat(For(origin_.Url("/loop"))), StatusIs(StatusCode::kDataLoss, "10 redirects"));
  EXPECT_EQ(origin_.request_count(), 11U);
  EXPECT_THAT(Stat(For(origin_.Url("/nowhere"))), StatusIs(StatusCode::kDataLoss, "not HTTP"));
}

TEST_F(RedirectTest, TheStatusOfTheTargetIsWhatTheCallerSees) {
  const auto broken = Stat(For(store_.Url("/other")));
  EXPECT_THAT(broken, StatusIs(StatusCode::kPermissionDenied, "403"));
}

TEST(RedirectCacheTest, KeepsTheLastUsedEntriesUntilTheirTime) {
  FakeClock clock;
  RedirectCache cache(2, std::chrono::seconds(10), clock);
  cache.Put("a", "1");
  cache.Put("b", "2");
  EXPECT_EQ(cache.Find("a"), "1");
  cache.Put("c", "3");
  EXPECT_EQ(cache.Find("b"), std::nullopt);
  EXPECT_EQ(cache.size(), 2U);
  cache.Drop("c");
  EXPECT_EQ(cache.Find("c"), std::nullopt);
  clock.Advance(std::chrono::seconds(10));
  EXPECT_EQ(cache.Find("a"), std::nullopt);
  EXPECT_EQ(cache.size(), 0U);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
