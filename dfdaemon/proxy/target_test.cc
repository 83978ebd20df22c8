#include "dfdaemon/proxy/target.h"

#include "common/testing/matchers.h"
#include "dfdaemon/proxy/rules.h"

namespace dragonfly::dfdaemon {
namespace {

using testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string UrlOf(std::string_view target, const HttpHeaders& headers = {},
                  std::optional<HostAndPort> tunnel = std::nullopt) {
  const auto resolved = ResolveTarget(target, headers, "https://index.docker.io", tunnel);
  return resolved.ok() ? resolved->url : std::string(resolved.status().message());
}

TEST(ResolveTargetTest, SendsPathsToTheRegistryThatTheRequestNames) {
  EXPECT_EQ(UrlOf("/v2/a"), "https://index.docker.io/v2/a");
  EXPECT_EQ(UrlOf("/v2/a?ns=ghcr.io"), "https://ghcr.io/v2/a?ns=ghcr.io");
  EXPECT_EQ(UrlOf("/v2/a?ns=http%3A%2F%2Fr%3A5000"), "http://r:5000/v2/a?ns=http%3A%2F%2Fr%3A5000");
  EXPECT_EQ(UrlOf("/v2/a?ns=docker.io"), "https://registry-1.docker.io/v2/a?ns=docker.io");
  EXPECT_EQ(UrlOf("/v2/a?ns=ghcr.io", {{"x-dragonfly-registry", "http://r:5000/"}}),
            "http://r:5000/v2/a?ns=ghcr.io");
}

TEST(ResolveTargetTest, TakesWholeUrlsAsTheyAre) {
  EXPECT_EQ(UrlOf("http://Host/a%20b?c"), "http://Host/a%20b?c");
  EXPECT_EQ(UrlOf("HTTPS://host", {{"X-Dragonfly-Registry", "http://r"}}), "HTTPS://host");
}

TEST(ResolveTargetTest, PutsTheTunnelsHostBeforeAPath) {
  EXPECT_EQ(UrlOf("/x", {}, HostAndPort{"host", 443}), "https://host/x");
  EXPECT_EQ(UrlOf("/x", {}, HostAndPort{"host", 8443}), "https://host:8443/x");
  EXPECT_EQ(UrlOf("/x", {}, HostAndPort{"::1", 8443}), "https://[::1]:8443/x");
}

TEST(ResolveTargetTest, RefusesWhatIsNoHttpTarget) {
  for (const char* target : {"", "*", "host:80", "ftp://host/", "http://", "v2/a"}) {
    EXPECT_THAT(ResolveTarget(target, {}, "https://r", std::nullopt), StatusIs(kInvalid)) << target;
  }
  for (const char* registry : {"", "r:5000", "file:///etc", "http://r/?x=", "http://r#"}) {
    EXPECT_THAT(ResolveTarget("/a", {{"X-Dragonfly-Registry", registry}}, "https://r", std::nullopt),
                StatusIs(kInvalid))
        << registry;
  }
}

TEST(ResolveTargetTest, OffersRulesTheFormsThatTheyMayBeWrittenFor) {
  EXPECT_THAT(ResolveTarget("/x?y", {}, "", HostAndPort{"host", 443})->rule_texts,
              ElementsAre("https://host/x?y", "https://host:443/x?y", "https://host:443/x",
                          "https://host/x"));
}

TEST(ParseAuthorityTest, ReadsHostAndPort) {
  EXPECT_THAT(ParseAuthority("Host:443"), IsOkAndHolds(HostAndPort{"host", 443}));
  EXPECT_THAT(ParseAuthority("[::1]:80"), IsOkAndHolds(HostAndPort{"::1", 80}));
  for (const char* text : {"", "host", "host:", "host:0", "host:65536", ":443", "a@b:1", "a/b:1",
                           "host:1/", "::1:80", "host:+1"}) {
    EXPECT_THAT(ParseAuthority(text), StatusIs(kInvalid)) << text;
  }
}

TEST(RewriteUrlTest, ChangesSchemeAndAuthority) {
  EXPECT_EQ(RewriteUrl("http://a:1/p?q", false, ""), "http://a:1/p?q");
  EXPECT_EQ(RewriteUrl("http://a:1/p?q", true, ""), "https://a:1/p?q");
  EXPECT_EQ(RewriteUrl("http://a:1/p?q", true, "b:2"), "https://b:2/p?q");
  EXPECT_EQ(RewriteUrl("http://a?q", false, "b"), "http://b?q");
}

TEST(RuleSetTest, TakesTheFirstRuleThatIsFoundAnywhere) {
  ProxyRule blobs;
  blobs.regex = "blobs/sha256.*";
  ProxyRule wheels;
  wheels.regex = R"(^https://host/.*\.whl$)";
  const auto rules = RuleSet::Create({blobs, wheels});
  ASSERT_THAT(rules, IsOk());
  const auto match = [&](std::string_view target) {
    const ProxyRule* rule =
        rules->Match(*ResolveTarget(target, {}, "https://host", HostAndPort{"host", 443}));
    return rule == nullptr ? std::string() : rule->regex;
  };
  EXPECT_EQ(match("/v2/a/blobs/sha256:1?ns=x"), blobs.regex);
  EXPECT_EQ(match("/a.whl?token=1"), wheels.regex);
  EXPECT_EQ(match("/v2/a/blobs/uploads/1"), "");
}

}  // namespace
}  // namespace dragonfly::dfdaemon
