#include "scheduler/config/dynconfig_file.h"

#include <gmock/gmock.h>

#include "common/config/table.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace dragonfly::scheduler {
namespace {

absl::StatusOr<DynamicConfig> Read(std::string_view yaml) {
  auto root = ParseYaml(yaml);
  if (!root.ok()) return root.status();
  return ReadDynconfig(*root, "d.yaml");
}

TEST(DynconfigFileTest, ReadsEveryKeyOfTheOriginal) {
  const auto config = Read(R"(
applications:
  - {id: 1, name: foo, url: example.com, bio: bar,
     priority: {value: 1, urls: [{regex: 'blobs*', value: 2}]}}
seedPeerClusterConfig: {loadLimit: 2001}
schedulerClusterConfig: {candidateParentLimit: 5, filterParentLimit: 20, jobRateLimit: 11}
schedulerClusterClientConfig: {loadLimit: 100}
)");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->seed_peer_load_limit, 2001U);
  EXPECT_EQ(config->candidate_parent_limit, 5U);
  EXPECT_EQ(config->filter_parent_limit, 20U);
  EXPECT_EQ(config->job_rate_limit, 11U);
  EXPECT_EQ(config->peer_load_limit, 100U);
  ASSERT_THAT(config->applications, testing::SizeIs(1));
  EXPECT_EQ(EffectivePriority(*config, 0, "foo", "http://r/blobs/x"), 2);
  EXPECT_EQ(EffectivePriority(*config, 0, "foo", "http://r/x"), 1);
}

TEST(DynconfigFileTest, TakesZeroAndNothingForDefaultsAndRaisesToTheFloor) {
  const auto config =
      Read("schedulerClusterConfig: {candidateParentLimit: 0, filterParentLimit: 3}");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->candidate_parent_limit, 3U);
  EXPECT_EQ(config->filter_parent_limit, 10U);
  EXPECT_TRUE(*Read("") == DynamicConfig());
}

TEST(DynconfigFileTest, RefusesBadValuesWithFileAndKey) {
  EXPECT_THAT(Read("schedulerClusterConfig: {candidateParentLimit: 21}"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "d.yaml:1: schedulerClusterConfig.candidateParentLimit"));
  EXPECT_THAT(Read("applications: {}"), StatusIs(absl::StatusCode::kInvalidArgument, "list"));
}

TEST(DynconfigFileTest, MakesAFileThatIsNotThereAndReadsItBack) {
  const TempDir dir;
  const std::string path = dir.File("new/dynconfig.yaml");
  const auto made = LoadDynconfigFile(path);
  ASSERT_THAT(made, IsOk());
  const auto text = ReadFile(path);
  ASSERT_THAT(text, IsOk());
  EXPECT_THAT(*text, testing::HasSubstr("candidateParentLimit: 3"));
  const auto again = LoadDynconfigFile(path);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(*again == *made);
}

}  // namespace
}  // namespace dragonfly::scheduler
