#include "common/digest/digest.h"

#include <string>

#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/testing/matchers.h"

namespace dragonfly {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string DigestOf(DigestAlgorithm algorithm, std::string_view text) {
  auto hasher = Hasher::Create(algorithm);
  EXPECT_THAT(hasher, IsOk());
  // In portions: the result must not depend on them.
  for (std::size_t at = 0; at < text.size(); at += 3) hasher->Update(text.substr(at, 3));
  return hasher->Finish().ToString();
}

TEST(HasherTest, KnowsTheAnswersOfTheStandards) {
  EXPECT_EQ(DigestOf(DigestAlgorithm::kMd5, "abc"), "md5:900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(DigestOf(DigestAlgorithm::kSha1, "abc"),
            "sha1:a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(DigestOf(DigestAlgorithm::kSha256, "abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // The check value of CRC-32 IEEE, 0xcbf43926; the polynomial of SSE4.2 would give another.
  EXPECT_EQ(DigestOf(DigestAlgorithm::kCrc32, "123456789"), "crc32:3421780262");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(HasherTest, SaysThatBlake3IsMissing) {
  EXPECT_THAT(Hasher::Create(DigestAlgorithm::kBlake3),
              StatusIs(absl::StatusCode::kUnimplemented, "blake3"));
}

TEST(Crc32Test, ContinuesWhereItStopped) {
  const std::string text(100'000, 'x');
  const std::uint32_t whole = Crc32(0, AsBytes(text));
  const std::string_view view = text;
  EXPECT_EQ(Crc32(Crc32(0, AsBytes(view.substr(0, 12'345))), AsBytes(view.substr(12'345))), whole);
  EXPECT_EQ(Crc32(whole, {}), whole);
}

TEST(ParseDigestTest, RefusesWrongLengthsAndUnknownAlgorithms) {
  const std::string hex64(64, 'a');
  EXPECT_THAT(ParseDigest("sha256:" + hex64), IsOkAndHolds(Digest{DigestAlgorithm::kSha256, hex64}));
  for (const std::string& text :
       {std::string("sha256:" + hex64 + "a"), std::string("sha256:"), std::string("sha512:" + hex64),
        std::string("sha256"), std::string(":"), std::string("md4:00"), std::string("SHA256:" + hex64),
        "crc32:" + std::string(65, '1'), std::string("crc32:-1")}) {
    EXPECT_THAT(ParseDigest(text), StatusIs(kInvalid)) << text;
  }
}

TEST(MatchesTest, IgnoresCaseAndZerosInFrontOfACrc) {
  const auto digest = [](std::string_view text) { return ParseDigest(text).value(); };
  const std::string lower(64, 'a');
  const std::string upper(64, 'A');
  EXPECT_TRUE(Matches(digest("sha256:" + upper), digest("sha256:" + lower)));
  EXPECT_TRUE(Matches(digest("crc32:0450215437"), digest("crc32:450215437")));
  EXPECT_TRUE(Matches(digest("crc32:000"), digest("crc32:0")));
  EXPECT_FALSE(Matches(digest("crc32:1"), digest("crc32:10")));
  EXPECT_FALSE(Matches(digest("sha256:" + lower), digest("blake3:" + lower)));
}

TEST(PieceDigestTest, TakesDecimalNumbersOfThirtyTwoBitsOnly) {
  EXPECT_EQ(ParsePieceDigest(FormatPieceDigest(4294967295)), 4294967295);
  EXPECT_EQ(ParsePieceDigest("crc32:007"), 7U);
  for (const char* text : {"", "crc32:", "crc32:4294967296", "crc32:1x", "crc32: 1", "sha256:1", "1"}) {
    EXPECT_EQ(ParsePieceDigest(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace dragonfly
