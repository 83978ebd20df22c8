#include "common/net/url.h"

#include <string>

#include <gtest/gtest.h>

#include "common/net/idna.h"
#include "common/testing/matchers.h"

namespace dragonfly {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string Normal(std::string_view text) {
  const auto url = Url::Parse(text);
  return url.ok() ? url->Href() : StrCat("error: ", url.status().message());
}

std::string Resolved(std::string_view base, std::string_view reference) {
  const auto url = Url::Parse(base)->Resolve(reference);
  return url.ok() ? url->Href() : StrCat("error: ", url.status().message());
}

TEST(UrlTest, WritesTheNormalForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"HTTP://Example.COM", "http://example.com/"},
      {"https://example.com:443/a", "https://example.com/a"},
      {"https://example.com:444/a", "https://example.com:444/a"},
      {"https://example.com/a/./b/../c", "https://example.com/a/c"},
      {"https://example.com/a/%2E%2e/c", "https://example.com/c"},
      {"https://example.com/../../a", "https://example.com/a"},
      {"https://example.com/a//b", "https://example.com/a//b"},
      {"https:\\\\example.com\\a", "https://example.com/a"},
      {"https:///example.com/a", "https://example.com/a"},
      {"  https://example.com/a\tb\n", "https://example.com/ab"},
      {"https://example.com/\xc3\xa9?\xc3\xa9#\xc3\xa9", "https://example.com/%C3%A9?%C3%A9#%C3%A9"},
      {"https://u:p@example.com", "https://u:p@example.com/"},
      {"https://u@v:p@example.com", "https://u%40v:p@example.com/"},
      {"https://@example.com", "https://example.com/"},
      {"http://0x7f.1", "http://127.0.0.1/"},
      {"http://[2001:DB8::0:1]:80/", "http://[2001:db8::1]/"},
      {"s3://Bucket/Key", "s3://Bucket/Key"},
      {"file:///a/b", "file:///a/b"},
      {"file://localhost/a", "file:///a"},
      {"mailto:a@b", "mailto:a@b"},
      {"https://example.com?", "https://example.com/?"},
      {"https://example.com#", "https://example.com/#"},
  };
  for (const auto& [text, normal] : cases) {
    EXPECT_EQ(Normal(text), normal) << text;
    EXPECT_EQ(Normal(normal), normal) << "a normal form stays";
  }
}

TEST(UrlTest, RefusesWhatIsNoUrl) {
  for (const char* text :
       {"", "example.com/a", "//example.com", "https://", "https://:80", "https://u@/",
        "https://example.com:70000/", "https://example.com:8a/", "https://exam ple.com/",
        "http://1.2.3.256", "http://[::1", "http://[::1]x", "http://[1:2]", "https://a%00b/",
        "https://ex<ample.com/", "\xff\xfe"}) {
    EXPECT_THAT(Url::Parse(text), StatusIs(kInvalid)) << text;
  }
  std::string labels;
  for (int i = 0; i < 1000; ++i) labels += "\xe5\xbe\x90.";
  EXPECT_THAT(Url::Parse("https://" + labels + "a/"), StatusIs(kInvalid, "too long"));
  EXPECT_THAT(Url::Parse("https://a/" + std::string(Url::kMaxBytes, 'x')),
              StatusIs(kInvalid, "too long"));
}

TEST(UrlTest, GivesItsParts) {
  const auto url = Url::Parse("https://user:pass@[::1]:8443/a%20b?x=1&y#frag");
  ASSERT_THAT(url, IsOk());
  EXPECT_EQ(url->scheme(), "https");
  EXPECT_EQ(url->username(), "user");
  EXPECT_EQ(url->password(), "pass");
  EXPECT_EQ(url->host(), "[::1]");
  EXPECT_EQ(url->host_without_brackets(), "::1");
  EXPECT_EQ(url->host_kind(), Url::HostKind::kIpv6);
  EXPECT_EQ(url->port(), 8443);
  EXPECT_EQ(url->path(), "/a%20b");
  EXPECT_EQ(url->query(), "x=1&y");
  EXPECT_EQ(url->fragment(), "frag");
  EXPECT_EQ(url->Origin(), "https://[::1]:8443");
  EXPECT_EQ(url->RequestTarget(), "/a%20b?x=1&y");
  EXPECT_EQ(Url::Parse("http://a")->port(), std::nullopt);
  EXPECT_EQ(Url::Parse("http://a")->port_or_default(), 80);
  EXPECT_EQ(Url::Parse("s3://a")->port_or_default(), std::nullopt);
  EXPECT_EQ(Url::Parse("http://a")->RequestTarget(), "/");
}

TEST(UrlTest, LeavesSecretsOutOfLogs) {
  EXPECT_EQ(Url::Parse("https://u:p@h/a?X-Amz-Signature=s#f")->ForLog(), "https://h/a");
}

TEST(UrlTest, ResolvesLocationHeaders) {
  const char* base = "https://u:p@h:444/a/b?q#f";
  EXPECT_EQ(Resolved(base, "c"), "https://u:p@h:444/a/c");
  EXPECT_EQ(Resolved(base, "/c?d"), "https://u:p@h:444/c?d");
  EXPECT_EQ(Resolved(base, "../../c"), "https://u:p@h:444/c");
  EXPECT_EQ(Resolved(base, "?x"), "https://u:p@h:444/a/b?x");
  EXPECT_EQ(Resolved(base, ""), "https://u:p@h:444/a/b?q");
  EXPECT_EQ(Resolved(base, "//other/c"), "https://other/c");
  EXPECT_EQ(Resolved(base, "http://other"), "http://other/");
  EXPECT_EQ(Resolved("mailto:a", "b"), "error: relative URL with a base that has no hierarchy");
}

TEST(UrlTest, ReplacesTheQuery) {
  auto url = *Url::Parse("https://h/a?x=1#f");
  url.SetQuery("y= 2&z='%41");
  EXPECT_EQ(url.Href(), "https://h/a?y=%202&z=%27%41#f");
  url.SetQuery(std::nullopt);
  url.ClearFragment();
  EXPECT_EQ(url.Href(), "https://h/a");
}

TEST(FormTest, ReadsAndWritesPairs) {
  EXPECT_EQ(ParseForm("a=1&&b=x+y%26&c&=d&%FF=1"),
            (FormPairs{{"a", "1"}, {"b", "x y&"}, {"c", ""}, {"", "d"}, {"\xef\xbf\xbd", "1"}}));
  EXPECT_EQ(SerializeForm({{"a b", "\xc3\xa9~*-._"}, {"c", ""}}), "a+b=%C3%A9%7E*-._&c=");
}

TEST(PercentTest, DecodesWhatIsEncodedOnly) {
  EXPECT_EQ(PercentDecode("a%20b%zz%4"), "a b%zz%4");
  EXPECT_EQ(PercentEncode("a b/~"), "a%20b%2F~");
}

TEST(IdnaTest, WritesPunycodeWhereNoTablesAreNeeded) {
  // Known pairs of RFC 3492 and of the browsers.
  EXPECT_THAT(internal::DomainToAscii("b\xc3\xbc"
                                      "cher.example"),
              IsOkAndHolds("xn--bcher-kva.example"));
  EXPECT_THAT(internal::DomainToAscii("\xe4\xbe\x8b\xe5\xad\x90.\xe6\xb5\x8b\xe8\xaf\x95"),
              IsOkAndHolds("xn--fsqu00a.xn--0zwm56d"));
  EXPECT_THAT(internal::DomainToAscii("EXAMPLE.com"), IsOkAndHolds("example.com"));
  EXPECT_THAT(internal::DomainToAscii("\xc3\x9c"
                                      "ber.de"),
              IsOkAndHolds("xn--ber-goa.de"));
}

TEST(IdnaTest, RefusesInsteadOfGuessing) {
  // Arabic, an emoji, a zero-width joiner.
  for (const char* domain : {"\xd8\xa7.com", "\xf0\x9f\x92\xa9.la", "a\xe2\x80\x8d.com"}) {
    EXPECT_THAT(internal::DomainToAscii(domain), StatusIs(kInvalid)) << domain;
  }
}

}  // namespace
}  // namespace dragonfly
