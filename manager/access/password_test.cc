#include "manager/access/password.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/matchers.h"

namespace dragonfly::manager {
namespace {

TEST(PasswordTest, HashFitsItsPasswordOnly) {
  const auto hash = HashPassword("correct horse");
  ASSERT_THAT(hash, IsOk());
  EXPECT_THAT(*hash, testing::StartsWith("$2b$10$"));
  EXPECT_TRUE(VerifyPassword("correct horse", *hash));
  EXPECT_FALSE(VerifyPassword("correct horsf", *hash));
  EXPECT_FALSE(VerifyPassword("", *hash));
}

TEST(PasswordTest, SaltsDiffer) { EXPECT_NE(*HashPassword("a"), *HashPassword("a")); }

// Go's bcrypt writes `$2a$`. The vector is one of crypt_blowfish's.
TEST(PasswordTest, ReadsHashesOfOtherPrograms) {
  EXPECT_TRUE(
      VerifyPassword("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
}

TEST(PasswordTest, RefusesWhatIsNoHash) {
  EXPECT_FALSE(VerifyPassword("a", ""));
  EXPECT_FALSE(VerifyPassword("a", "a"));
  EXPECT_FALSE(VerifyPassword("a", "$2b$10$"));
  EXPECT_FALSE(VerifyPassword("a", "$1$salt$hash"));
}

TEST(PasswordTest, GeneratedSecretsHaveTheLengthAndDiffer) {
  const auto one = GenerateSecret(20);
  const auto two = GenerateSecret(20);
  ASSERT_THAT(one, IsOk());
  EXPECT_EQ(one->size(), 20U);
  EXPECT_NE(*one, *two);
}

}  // namespace
}  // namespace dragonfly::manager
