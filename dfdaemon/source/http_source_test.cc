#include "dfdaemon/source/http_source.h"

#include <gmock/gmock.h>

#include "common/testing/matchers.h"
#include "common/testing/process.h"
#include "dfdaemon/source/source_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

class HttpSourceTest : public SourceTest {
 protected:
  const std::string content_ = TestContent(1'000'000);

  // What `reply` says of every request.
  static FakeOrigin::Handler Always(OriginReply reply) {
    return [reply = std::move(reply)](const OriginRequest&) { return reply; };
  }
  static HttpSourceOptions AsksHead() {
    HttpSourceOptions options = ShortWaits();
    options.stat_by_head = true;
    return options;
  }
  FakeOrigin::Handler Good() {
    return [this](const OriginRequest& request) { return FakeOrigin::Serve(request, content_); };
  }
};

TEST_F(HttpSourceTest, StatAsksForOneByteAndTellsLengthAndHeadersOfTheWhole) {
  FakeOrigin origin([this](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Serve(request, content_);
    reply.headers.emplace_back("Content-Type", "application/x");
    reply.headers.emplace_back("ETag", "\"v1\"");
    return reply;
  });
  const auto stat = Stat(For(origin.Url("/f"), {{"X-Mine", "1"}, {"Range", "bytes=5-9"}}));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->content_length, content_.size());
  EXPECT_TRUE(stat->supports_ranges);
  EXPECT_EQ(stat->status_code, 200);
  EXPECT_EQ(FindHeader(stat->headers, "content-length"), std::to_string(content_.size()));
  EXPECT_EQ(FindHeader(stat->headers, "content-type"), "application/x");
  EXPECT_FALSE(FindHeader(stat->headers, "content-range").has_value());
  EXPECT_EQ(StrongEtag(stat->headers), "\"v1\"");
  const OriginRequest asked = origin.requests().at(0);
  EXPECT_EQ(asked.method, "GET");
  EXPECT_EQ(asked.Header("Range"), "bytes=0-0");
  EXPECT_EQ(asked.Header("Accept-Encoding"), "identity");
  EXPECT_EQ(asked.Header("User-Agent"), "dragonfly/test");
  EXPECT_EQ(asked.Header("X-Mine"), "1");
  EXPECT_EQ(metrics_.requested, 1);
  EXPECT_EQ(metrics_.succeeded, 1);
  EXPECT_EQ(metrics_.last_scheme, "http");
}

TEST_F(HttpSourceTest, StatByHeadCostsTheOriginNoByteOfContent) {
  Use(AsksHead());
  FakeOrigin origin([this](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Serve(request, content_);
    reply.headers.emplace_back("Accept-Ranges", "bytes");
    return reply;
  });
  const auto stat = Stat(For(origin.Url("/f")));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->content_length, content_.size());
  EXPECT_TRUE(stat->supports_ranges);
  ASSERT_EQ(origin.request_count(), 1U);
  EXPECT_EQ(origin.requests()[0].method, "HEAD");
  EXPECT_FALSE(origin.requests()[0].Header("Range").has_value());
  EXPECT_EQ(metrics_.requested, 1);
}

TEST_F(HttpSourceTest, StatAsksByGetWhereHeadTellsTooLittle) {
  Use(AsksHead());
  OriginReply refused = FakeOrigin::Status(403, "Forbidden");
  OriginReply without_ranges = FakeOrigin::Status(200, "OK", content_);
  OriginReply empty = FakeOrigin::Status(200, "OK", "");
  empty.headers.emplace_back("Accept-Ranges", "bytes");
  for (const OriginReply& head : {refused, without_ranges, empty}) {
    FakeOrigin origin([&](const OriginRequest& request) {
      return request.method == "HEAD" ? head : FakeOrigin::Serve(request, content_);
    });
    const auto stat = Stat(For(origin.Url("/f")));
    ASSERT_THAT(stat, IsOk());
    EXPECT_EQ(stat->content_length, content_.size());
    EXPECT_TRUE(stat->supports_ranges);
    EXPECT_EQ(origin.request_count(), 2U);
    EXPECT_EQ(origin.requests()[1].Header("Range"), "bytes=0-0");
  }
}

TEST_F(HttpSourceTest, ARefusalIsTheAnswerToGetAlsoAfterHead) {
  Use(AsksHead());
  FakeOrigin origin([](const OriginRequest& request) {
    return request.method == "HEAD" ? FakeOrigin::Status(404, "Not Found")
                                    : FakeOrigin::Status(401, "Unauthorized");
  });
  EXPECT_THAT(Stat(For(origin.Url("/f"))), StatusIs(StatusCode::kPermissionDenied, "401"));
}

TEST_F(HttpSourceTest, StatOfAnOriginWithoutRangesKnowsTheLength) {
  FakeOrigin origin(Always(FakeOrigin::Status(200, "OK", content_)));
  const auto stat = Stat(For(origin.Url("/")));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->content_length, content_.size());
  EXPECT_FALSE(stat->supports_ranges);
}

TEST_F(HttpSourceTest, StatOfAnEmptyObjectAsksAgainWithoutARange) {
  FakeOrigin origin([](const OriginRequest& request) { return FakeOrigin::Serve(request, ""); });
  const auto stat = Stat(For(origin.Url("/")));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->content_length, 0U);
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(HttpSourceTest, StatOfAChunkedObjectTakesTheLengthFromHead) {
  FakeOrigin origin([this](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Status(200, "OK", content_);
    if (request.method == "GET") reply.framing = OriginReply::Framing::kChunked;
    return reply;
  });
  const auto stat = Stat(For(origin.Url("/")));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->content_length, content_.size());
}

TEST_F(HttpSourceTest, StatDoesNotBelieveAHeadThatSaysZero) {
  FakeOrigin origin([this](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Status(200, "OK", content_);
    if (request.method == "GET") reply.framing = OriginReply::Framing::kChunked;
    reply.claimed_length = 0;
    return reply;
  });
  const auto stat = Stat(For(origin.Url("/")));
  ASSERT_THAT(stat, IsOk());
  EXPECT_FALSE(stat->content_length.has_value());
}

TEST_F(HttpSourceTest, StatusAndHeadersOfARefusalTravelOn) {
  const std::pair<int, StatusCode> cases[] = {{404, StatusCode::kNotFound},
                                              {410, StatusCode::kNotFound},
                                              {401, StatusCode::kPermissionDenied},
                                              {403, StatusCode::kPermissionDenied},
                                              {429, StatusCode::kResourceExhausted},
                                              {500, StatusCode::kUnavailable},
                                              {304, StatusCode::kInternal}};
  for (const auto& [code, expected] : cases) {
    OriginReply reply = FakeOrigin::Status(code, "Some Reason", code == 304 ? "" : "text");
    reply.headers = {{"WWW-Authenticate", "Bearer realm=\"x\""}};
    FakeOrigin origin(Always(reply));
    const auto stat = Stat(For(origin.Url("/")));
    EXPECT_THAT(stat, StatusIs(expected)) << code;
    const auto info = GetSourceError(stat.status());
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->status_code, code);
    EXPECT_EQ(info->message, std::to_string(code) + " Some Reason");
    EXPECT_EQ(FindHeader(info->headers, "www-authenticate"), "Bearer realm=\"x\"");
  }
}

TEST_F(HttpSourceTest, AnUnreachableOriginIsUnavailableWithAText) {
  const auto stat = Stat(For("http://127.0.0.1:" + std::to_string(FreePort()) + "/"));
  EXPECT_THAT(stat, StatusIs(StatusCode::kUnavailable, "read source: "));
  const auto info = GetSourceError(stat.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_FALSE(info->status_code.has_value());
  EXPECT_EQ(metrics_.failed, 1);
}

TEST_F(HttpSourceTest, UnknownSchemesAreNamed) {
  EXPECT_THAT(Stat(For("gopher://host/x")),
              StatusIs(StatusCode::kInvalidArgument, "scheme \"gopher\""));
  EXPECT_THAT(Stat(For("not a url")), StatusIs(StatusCode::kInvalidArgument, "invalid parameter"));
}

TEST_F(HttpSourceTest, FetchesExactlyThePieceAndKeepsTheConnection) {
  FakeOrigin origin(Good());
  for (const std::uint64_t offset : {0U, 300'000U, 900'000U}) {
    MemoryWriter writer(1, offset, 100'000);
    ASSERT_THAT(Fetch(For(origin.Url("/")), content_.size(), writer), IsOk());
    EXPECT_TRUE(writer.bytes == content_.substr(offset, 100'000));
  }
  EXPECT_EQ(origin.requests()[1].Header("Range"), "bytes=300000-399999");
  EXPECT_EQ(origin.connections(), 1U);
}

TEST_F(HttpSourceTest, GoesOnWhereABrokenConnectionStopped) {
  std::atomic<int> count = 0;
  FakeOrigin origin([&](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Serve(request, content_);
    if (count++ == 0) reply.close_after = 40'000;
    return reply;
  });
  MemoryWriter writer(1, 100'000, 100'000);
  ASSERT_THAT(Fetch(For(origin.Url("/")), content_.size(), writer), IsOk());
  EXPECT_TRUE(writer.bytes == content_.substr(100'000, 100'000));
  EXPECT_EQ(origin.requests()[1].Header("Range"), "bytes=140000-199999");
}

TEST_F(HttpSourceTest, AConnectionThatAlwaysBreaksIsDataLossWithAText) {
  FakeOrigin origin([&](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Serve(request, content_);
    reply.close_after = 1000;
    return reply;
  });
  MemoryWriter writer(1, 100'000, 100'000);
  const absl::Status status = Fetch(For(origin.Url("/")), content_.size(), writer);
  EXPECT_THAT(status, StatusIs(StatusCode::kDataLoss, "closed"));
  EXPECT_TRUE(GetSourceError(status).has_value());
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(HttpSourceTest, DoesNotJoinTwoVersionsOfAPiece) {
  std::atomic<int> count = 0;
  FakeOrigin origin([&](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Serve(request, content_);
    reply.headers.emplace_back("ETag", "\"" + std::to_string(count) + "\"");
    if (count++ == 0) reply.close_after = 40'000;
    return reply;
  });
  MemoryWriter writer(1, 0, 100'000);
  EXPECT_THAT(Fetch(For(origin.Url("/")), content_.size(), writer),
              StatusIs(StatusCode::kDataLoss, "changed"));
}

TEST_F(HttpSourceTest, APieceOfAnotherVersionThanTheStatIsRefused) {
  FakeOrigin origin([&](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Serve(request, content_);
    reply.headers.emplace_back("ETag", "\"new\"");
    return reply;
  });
  SourceRequest request = For(origin.Url("/"));
  request.etag = "\"old\"";
  MemoryWriter writer(1, 0, 100'000);
  EXPECT_THAT(Fetch(request, content_.size(), writer), StatusIs(StatusCode::kDataLoss, "changed"));
  EXPECT_EQ(writer.written(), 0U);
}

TEST_F(HttpSourceTest, AskingForAPieceDoesNotSendTheCallersConditions) {
  FakeOrigin origin(Good());
  MemoryWriter writer(0, 0, 10);
  const HeaderList headers{{"If-None-Match", "\"v1\""}, {"If-Range", "\"v1\""}};
  ASSERT_THAT(Fetch(For(origin.Url("/"), headers), content_.size(), writer), IsOk());
  EXPECT_FALSE(origin.requests()[0].Header("If-None-Match").has_value());
  EXPECT_FALSE(origin.requests()[0].Header("If-Range").has_value());
}

TEST_F(HttpSourceTest, AnOriginThatIgnoresTheRangeServesTheFirstPieceOnly) {
  FakeOrigin origin(Always(FakeOrigin::Status(200, "OK", content_)));
  MemoryWriter first(0, 0, 100'000);
  ASSERT_THAT(Fetch(For(origin.Url("/")), content_.size(), first), IsOk());
  EXPECT_TRUE(first.bytes == content_.substr(0, 100'000));
  MemoryWriter second(1, 100'000, 100'000);
  EXPECT_THAT(Fetch(For(origin.Url("/")), content_.size(), second),
              StatusIs(StatusCode::kDataLoss, "ignored the range"));
  EXPECT_EQ(second.written(), 0U);
}

TEST_F(HttpSourceTest, RefusesAnotherRangeAnotherTotalAndALyingLength) {
  const auto part = [&](std::string content_range, std::size_t size) {
    OriginReply reply = FakeOrigin::Status(206, "Partial Content", std::string(size, 'x'));
    if (!content_range.empty()) reply.headers = {{"Content-Range", std::move(content_range)}};
    return reply;
  };
  const std::pair<OriginReply, std::string> cases[] = {
      {part("bytes 0-99/1000000", 100), "instead of"},
      {part("bytes 100-199/150", 100), "Content-Range"},
      {part("bytes 100-199/1000001", 100), "changed"},
      {part("", 100), "no Content-Range"},
      {part("bytes 100-199/1000000", 150), "length"},
      {FakeOrigin::Status(416, "Range Not Satisfiable"), "changed"},
  };
  for (const auto& [reply, text] : cases) {
    FakeOrigin origin(Always(reply));
    MemoryWriter writer(1, 100, 100);
    const absl::Status status = Fetch(For(origin.Url("/")), 1'000'000, writer);
    EXPECT_THAT(status, StatusIs(StatusCode::kDataLoss)) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
    EXPECT_EQ(writer.written(), 0U);
    EXPECT_EQ(origin.request_count(), 1U) << "a lie is not asked for again";
  }
}

TEST_F(HttpSourceTest, AFullDiskIsNoFailureOfTheSource) {
  FakeOrigin origin(Good());
  MemoryWriter writer(1, 100, 100);
  writer.append_status = absl::ResourceExhaustedError("no space left on device");
  const absl::Status status = Fetch(For(origin.Url("/")), content_.size(), writer);
  EXPECT_THAT(status, StatusIs(StatusCode::kResourceExhausted, "no space left"));
  EXPECT_FALSE(GetSourceError(status).has_value());
  EXPECT_EQ(origin.request_count(), 1U);
}

TEST_F(HttpSourceTest, AsksAgainAfterAServerErrorAsOftenAsConfigured) {
  std::atomic<int> count = 0;
  FakeOrigin origin([&](const OriginRequest& request) {
    if (count++ < 3) return FakeOrigin::Status(503, "Busy");
    return FakeOrigin::Serve(request, content_);
  });
  HttpSourceOptions options = ShortWaits();
  options.retries_max = 2;
  Use(options);
  EXPECT_THAT(Stat(For(origin.Url("/"))), StatusIs(StatusCode::kUnavailable, "503"));
  EXPECT_EQ(origin.request_count(), 3U);
  EXPECT_THAT(Stat(For(origin.Url("/"))), IsOk());
}

TEST_F(HttpSourceTest, ConfiguredHeadersFillInWhatTheCallerDoesNotSay) {
  FakeOrigin origin(Good());
  HttpSourceOptions options = ShortWaits();
  options.headers.extra = {{"X-Team", "storage"}, {"X-Mine", "config"}};
  Use(options);
  ASSERT_THAT(Stat(For(origin.Url("/"), {{"x-mine", "caller"}})), IsOk());
  EXPECT_EQ(origin.requests()[0].Header("X-Team"), "storage");
  EXPECT_EQ(origin.requests()[0].Header("X-Mine"), "caller");
}

TEST_F(HttpSourceTest, ACompressedAnswerIsKeptAsItIsTogetherWithItsHeader) {
  OriginReply reply = FakeOrigin::Status(200, "OK", "\x1f\x8b no real gzip");
  reply.headers = {{"Content-Encoding", "gzip"}};
  FakeOrigin origin(Always(reply));
  const auto stat = Stat(For(origin.Url("/")));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(FindHeader(stat->headers, "Content-Encoding"), "gzip");
  MemorySequence pieces(*stat->content_length, 100);
  ASSERT_THAT(FetchAll(For(origin.Url("/")), *stat->content_length, 100, pieces), IsOk());
  EXPECT_EQ(pieces.Joined(), "\x1f\x8b no real gzip");
}

TEST_F(HttpSourceTest, FetchAllHandsOnPiecesInOrderAndSkipsUnwantedOnes) {
  FakeOrigin origin(Always(FakeOrigin::Status(200, "OK", content_)));
  MemorySequence pieces(content_.size(), 300'000);
  pieces.skipped = 1;
  ASSERT_THAT(FetchAll(For(origin.Url("/")), content_.size(), 300'000, pieces), IsOk());
  EXPECT_THAT(pieces.begun, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(pieces.ended, ElementsAre(0, 2, 3));
  EXPECT_TRUE(pieces.Joined() == content_.substr(0, 300'000) + content_.substr(600'000));
  EXPECT_FALSE(origin.requests()[0].Header("Range").has_value());
}

TEST_F(HttpSourceTest, FetchAllRefusesAnotherLength) {
  for (const bool chunked : {false, true}) {
    for (const int difference : {-1, 1}) {
      OriginReply reply = FakeOrigin::Status(200, "OK", content_);
      if (chunked) reply.framing = OriginReply::Framing::kChunked;
      FakeOrigin origin(Always(reply));
      const std::uint64_t total = content_.size() + static_cast<std::uint64_t>(difference);
      MemorySequence pieces(total, 300'000);
      EXPECT_THAT(FetchAll(For(origin.Url("/")), total, 300'000, pieces),
                  StatusIs(StatusCode::kDataLoss));
      EXPECT_LT(pieces.ended.size(), 5U);
    }
  }
}

TEST_F(HttpSourceTest, FetchAllGoesOnAfterABreakOnlyWithTheSameVersion) {
  for (const bool has_etag : {true, false}) {
    std::atomic<int> count = 0;
    FakeOrigin origin([&](const OriginRequest&) {
      OriginReply reply = FakeOrigin::Status(200, "OK", content_);
      if (has_etag) reply.headers = {{"ETag", "\"same\""}};
      if (count++ == 0) reply.close_after = 450'000;
      return reply;
    });
    MemorySequence pieces(content_.size(), 300'000);
    const absl::Status status =
        FetchAll(For(origin.Url("/")), content_.size(), 300'000, pieces);
    if (has_etag) {
      EXPECT_THAT(status, IsOk());
      EXPECT_TRUE(pieces.Joined() == content_);
      EXPECT_THAT(pieces.begun, ElementsAre(0, 1, 2, 3));
    } else {
      EXPECT_THAT(status, StatusIs(StatusCode::kDataLoss, "unchanged"));
    }
  }
}

TEST_F(HttpSourceTest, AnErrorOfTheSequenceEndsTheFetchAsItIs) {
  FakeOrigin origin(Always(FakeOrigin::Status(200, "OK", content_)));
  MemorySequence pieces(content_.size(), 300'000);
  pieces.end_status = absl::AbortedError("stopped");
  EXPECT_THAT(FetchAll(For(origin.Url("/")), content_.size(), 300'000, pieces),
              StatusIs(StatusCode::kAborted, "stopped"));
}

TEST_F(HttpSourceTest, ContentOfUnknownLengthIsSpooledAndCutIntoPieces) {
  OriginReply reply = FakeOrigin::Status(200, "OK", content_);
  reply.framing = OriginReply::Framing::kChunked;
  FakeOrigin origin(Always(reply));
  TempDir dir;
  const auto spooled =
      RunCoro(runtime_, source_->Spool(For(origin.Url("/")), dir.path(), 10'000'000));
  ASSERT_THAT(spooled, IsOk());
  ASSERT_EQ((*spooled)->length(), content_.size());
  MemorySequence pieces(content_.size(), 300'000);
  ASSERT_THAT((*spooled)->CopyTo(300'000, pieces), IsOk());
  EXPECT_TRUE(pieces.Joined() == content_);
  EXPECT_THAT(pieces.ended, ElementsAre(0, 1, 2, 3));
}

TEST_F(HttpSourceTest, ASpoolIsBoundedAndNeverCutOff) {
  OriginReply reply = FakeOrigin::Status(200, "OK", content_);
  reply.framing = OriginReply::Framing::kChunked;
  FakeOrigin endless(Always(reply));
  TempDir dir;
  EXPECT_THAT(RunCoro(runtime_, source_->Spool(For(endless.Url("/")), dir.path(), 500'000)),
              StatusIs(StatusCode::kResourceExhausted, "500000"));
  reply.close_after = 600'000;
  FakeOrigin broken(Always(reply));
  EXPECT_THAT(RunCoro(runtime_, source_->Spool(For(broken.Url("/")), dir.path(), 10'000'000)),
              StatusIs(StatusCode::kDataLoss, "closed"));
  EXPECT_THAT(RunCoro(runtime_, source_->Spool(For(broken.Url("/")), "/no/such/dir", 1)),
              StatusIs(StatusCode::kInternal, "/no/such/dir"));
}

TEST_F(HttpSourceTest, BandwidthHoldsForAPiece) {
  FakeOrigin origin(Good());
  limiter_.SetRate(4'000'000, 1'000);
  MemoryWriter writer(0, 0, 800'000);
  const auto began = std::chrono::steady_clock::now();
  ASSERT_THAT(Fetch(For(origin.Url("/")), content_.size(), writer), IsOk());
  // 200 ms less what the limiter lends to the last block.
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(100));
  EXPECT_TRUE(writer.bytes == content_.substr(0, 800'000));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
