#include "dfdaemon/rpc/download_errors.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace dragonfly::dfdaemon {
namespace {

TEST(SourceErrorJsonTest, HasAllThreeKeysAlsoWithoutAnAnswer) {
  const auto json = nlohmann::json::parse(SourceErrorJson({"connection refused", {}, {}}));
  EXPECT_EQ(json.at("message"), "connection refused");
  EXPECT_TRUE(json.at("header").is_object());
  EXPECT_TRUE(json.at("status_code").is_null());
}

TEST(SourceErrorJsonTest, SurvivesHeadersThatAreNotText) {
  const auto json = nlohmann::json::parse(SourceErrorJson({"m", {{"X-O", "a\xff\x01"}}, 404}));
  EXPECT_EQ(json.at("status_code"), 404);
  EXPECT_TRUE(json.at("header").contains("x-o"));
}

TEST(DownloadFailureTest, GivesDetailsOfTheSource) {
  const RpcFailure failure = DownloadFailure(SourceError({"404 Not Found", {{"X-O", "1"}}, 404}));
  EXPECT_EQ(failure.code, absl::StatusCode::kInternal);
  EXPECT_EQ(failure.message, "backend error: 404 Not Found");
  EXPECT_EQ(nlohmann::json::parse(failure.details).at("header").at("x-o"), "1");
}

TEST(DownloadFailureTest, KeepsTheCodesThatCallersKnow) {
  using absl::StatusCode;
  const std::vector<std::pair<StatusCode, StatusCode>> table = {
      {StatusCode::kInvalidArgument, StatusCode::kInvalidArgument},
      {StatusCode::kOutOfRange, StatusCode::kFailedPrecondition},
      {StatusCode::kFailedPrecondition, StatusCode::kFailedPrecondition},
      {StatusCode::kPermissionDenied, StatusCode::kPermissionDenied},
      {StatusCode::kCancelled, StatusCode::kCancelled},
      {StatusCode::kAlreadyExists, StatusCode::kInternal},
      {StatusCode::kDataLoss, StatusCode::kInternal},
      {StatusCode::kNotFound, StatusCode::kInternal},
      {StatusCode::kDeadlineExceeded, StatusCode::kInternal},
  };
  for (const auto& [from, to] : table) {
    const RpcFailure failure = DownloadFailure(absl::Status(from, "why"));
    EXPECT_EQ(failure.code, to) << from;
    EXPECT_TRUE(failure.details.empty());
  }
}

TEST(DownloadFailureTest, UsesTheOriginalsWords) {
  EXPECT_EQ(DownloadFailure(absl::UnavailableError("download failed")).message,
            "unknown download failed");
  EXPECT_EQ(DownloadFailure(absl::ResourceExhaustedError("no space left on device: x")).message,
            "no space left on device: x");
  const RpcFailure scheme = DownloadFailure(absl::InvalidArgumentError("invalid parameter: ftp"));
  EXPECT_EQ(scheme.code, absl::StatusCode::kInternal);
  EXPECT_EQ(scheme.message, "invalid parameter: ftp");
}

}  // namespace
}  // namespace dragonfly::dfdaemon
