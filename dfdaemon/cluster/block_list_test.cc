#include "dfdaemon/cluster/block_list.h"

#include <gmock/gmock.h>

#include "common/testing/matchers.h"

namespace dragonfly::dfdaemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

DownloadRequest Request(std::string url = "https://example.com/file") {
  DownloadRequest request;
  request.url = std::move(url);
  request.priority = Priority::kLevel6;
  return request;
}

TEST(ReadBlockListTest, RefusesWhatIsNoList) {
  for (const char* text : {"{", "[]", R"({"block_list": 1})", R"({"block_list": {"task": []}})",
                           R"({"block_list": {"task": {"download": {"urls": "x"}}}})",
                           R"({"block_list": {"task": {"download": {"urls": [1]}}}})",
                           R"({"block_list": {"task": {"download": {"priorities": ["1"]}}}})"}) {
    EXPECT_THAT(ReadBlockList(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(ReadBlockListTest, TakesAbsentAndNullLevels) {
  for (const char* text :
       {"", "null", "{}", R"({"load_limit": 50})", R"({"block_list": null})",
        R"({"block_list": {"task": null}})", R"({"block_list": {"persistent_task": {}}})",
        R"({"block_list": {"task": {"download": {"urls": null, "tags": []}}}})"}) {
    EXPECT_THAT(ReadBlockList(text), IsOkAndHolds(DownloadBlockList())) << text;
  }
}

TEST(ReadBlockListTest, ReadsWhatIsWritten) {
  const DownloadBlockList list{{"app"}, {"^https://a", "b$"}, {"tag", "tag2"}, {0, 5}};
  EXPECT_THAT(ReadBlockList(WriteBlockList(list)), IsOkAndHolds(list));
}

TEST(DownloadPolicyTest, BlocksNothingByItself) {
  EXPECT_FALSE(DownloadPolicy().Blocks(Request()));
}

TEST(DownloadPolicyTest, BlocksWhatOneOfTheListsNames) {
  DownloadPolicy policy;
  EXPECT_THAT(policy.Replace({{"app"}, {R"(\.blocked\.com/)", "^http://b"}, {"tag"}, {3}}),
              IsEmpty());
  auto request = Request();
  EXPECT_FALSE(policy.Blocks(request));
  request.application = "application";
  EXPECT_FALSE(policy.Blocks(request)) << "only the whole name counts";
  request.application = "app";
  EXPECT_TRUE(policy.Blocks(request));
  request = Request();
  request.tag = "tag";
  EXPECT_TRUE(policy.Blocks(request));
  request = Request();
  request.priority = Priority::kLevel3;
  EXPECT_TRUE(policy.Blocks(request));
  EXPECT_TRUE(policy.Blocks(Request("https://x.blocked.com/y")));
  EXPECT_TRUE(policy.Blocks(Request("http://b/")));
  EXPECT_FALSE(policy.Blocks(Request("https://a/http://b/")));
}

TEST(DownloadPolicyTest, AnEmptyNameNamesNobody) {
  DownloadPolicy policy;
  EXPECT_THAT(policy.Replace({{""}, {}, {""}, {}}), IsEmpty());
  auto request = Request();
  request.application = request.tag = "";
  EXPECT_FALSE(policy.Blocks(request));
}

TEST(DownloadPolicyTest, ABadPatternDoesNotDisableTheOthers) {
  DownloadPolicy policy;
  EXPECT_THAT(policy.Replace({{}, {"(", "example"}, {}, {}}), ElementsAre("("));
  EXPECT_TRUE(policy.Blocks(Request()));
}

TEST(DownloadPolicyTest, ANewListTakesTheOldOnesPlace) {
  DownloadPolicy policy;
  (void)policy.Replace({{}, {"example"}, {}, {}});
  (void)policy.Replace({{}, {"other"}, {}, {}});
  EXPECT_FALSE(policy.Blocks(Request()));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
