#include "common/sysinfo/local_host.h"

#include <arpa/inet.h>

#include <gtest/gtest.h>

namespace dragonfly {
namespace {

TEST(LocalHostTest, LocalIpIsAnAddressOfTheFamily) {
  in_addr v4{};
  in6_addr v6{};
  EXPECT_EQ(inet_pton(AF_INET, LocalIp(IpFamily::kIpv4).c_str(), &v4), 1);
  EXPECT_EQ(inet_pton(AF_INET6, LocalIp(IpFamily::kIpv6).c_str(), &v6), 1);
}

TEST(LocalHostTest, FullHostNameIsNeverEmpty) { EXPECT_FALSE(FullHostName().empty()); }

}  // namespace
}  // namespace dragonfly
