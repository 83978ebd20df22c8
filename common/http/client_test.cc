#include "common/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "common/async/runtime.h"
#include "common/async/sleep.h"
#include "common/async/task_group.h"
#include "common/base/bytes.h"
#include "common/base/status_macros.h"
#include "common/testing/fake_origin.h"
#include "common/testing/matchers.h"
#include "common/testing/process.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"

namespace dragonfly {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Pair;

constexpr std::size_t kMiBytes = 1024 * 1024;

std::string Pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13U);
  return text;
}

class CountingSink : public HttpBodySink {
 public:
  absl::Status OnHead(const HttpClientResponse& /*head*/) override {
    ++heads;
    return head_status;
  }
  absl::StatusOr<Flow> OnBody(std::span<const std::byte> bytes) override {
    EXPECT_FALSE(waiting) << "no bytes during a pause";
    body.append(AsText(bytes));
    if (pause_every == 0 || body.size() / pause_every == pauses) return Flow::kContinue;
    pauses = body.size() / pause_every;
    waiting = true;
    return Flow::kPause;
  }
  Awaitable<> WhenReady() override {
    co_await SleepFor(milliseconds(1));
    ++waits;
    waiting = false;
  }

  absl::Status head_status;
  std::size_t pause_every = 0;
  std::size_t pauses = 0;
  int waits = 0;
  int heads = 0;
  bool waiting = false;
  std::string body;
};

class HttpClientTest : public testing::Test {
 protected:
  ~HttpClientTest() override { RunCoro(runtime_, client_.Stop()); }

  absl::StatusOr<HttpClient::Reply> Get(const std::string& url) {
    HttpClientRequest request;
    request.url = url;
    return Send(std::move(request));
  }
  absl::StatusOr<HttpClient::Reply> Send(HttpClientRequest request) {
    return RunCoro(runtime_, client_.FetchToMemory(std::move(request), 64 * kMiBytes));
  }

  Runtime runtime_{"test", 1};
  HttpClient client_{HttpClientOptions{}, {runtime_.executor()}};
};

TEST_F(HttpClientTest, ReturnsStatusHeadersInOrderAndBody) {
  FakeOrigin origin([](const OriginRequest&) {
    OriginReply reply = FakeOrigin::Status(418, "I am a teapot", "short");
    reply.headers = {{"X-One", "1"}, {"x-two", "2"}, {"X-One", "3"}, {"X-Empty", ""}};
    return reply;
  });
  const auto reply = Get(origin.Url("/a/../b?x=%20y"));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->head.status_code, 418);
  EXPECT_EQ(reply->head.reason, "I am a teapot");
  EXPECT_EQ(reply->body, "short");
  EXPECT_THAT(reply->head.headers,
              testing::ElementsAre(Pair("X-One", "1"), Pair("x-two", "2"), Pair("X-One", "3"),
                                   Pair("X-Empty", ""), Pair("Content-Length", "5")));
  EXPECT_EQ(origin.requests()[0].target, "/a/../b?x=%20y");
}

TEST_F(HttpClientTest, SendsExactlyTheGivenHeaders) {
  FakeOrigin origin([](const OriginRequest&) { return OriginReply(); });
  HttpClientRequest request;
  request.url = origin.Url("/");
  request.headers = {{"X-b", "2"}, {"x-A", "1"}, {"X-b", "3"}, {"X-Empty", ""}};
  ASSERT_THAT(Send(std::move(request)), IsOk());
  EXPECT_THAT(origin.requests()[0].headers,
              testing::ElementsAre(Pair("Host", HasSubstr("127.0.0.1")), Pair("X-b", "2"),
                                   Pair("x-A", "1"), Pair("X-b", "3"), Pair("X-Empty", "")));
}

TEST_F(HttpClientTest, RefusesHeadersThatWouldBreakTheRequestApart) {
  for (const auto& [name, value] : HttpHeaders{{"X", "a\r\nEvil: 1"}, {"X\r\nEvil", "1"}, {"", "1"}}) {
    HttpClientRequest request;
    request.url = "http://127.0.0.1:1/";
    request.headers = {{name, value}};
    EXPECT_THAT(Send(std::move(request)), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(Get("ftp://127.0.0.1/x"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Get("http://"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(HttpClientTest, UsesAConnectionAgain) {
  FakeOrigin origin([](const OriginRequest&) { return FakeOrigin::Status(200, "OK", "x"); });
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Get(origin.Url("/")), IsOk());
  EXPECT_EQ(origin.connections(), 1U);
}

TEST_F(HttpClientTest, NeverDecompressesABody) {
  FakeOrigin origin([](const OriginRequest&) {
    OriginReply reply = FakeOrigin::Status(200, "OK", "not really gzip");
    reply.headers = {{"Content-Encoding", "gzip"}};
    return reply;
  });
  const auto reply = Get(origin.Url("/"));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->body, "not really gzip");
  EXPECT_FALSE(origin.requests()[0].Header("Accept-Encoding").has_value());
}

TEST_F(HttpClientTest, TakesChunkedBodiesAndThoseThatEndWithTheConnection) {
  const std::string content = Pattern(3 * kMiBytes + 17);
  for (const auto framing : {OriginReply::Framing::kChunked, OriginReply::Framing::kUntilClose}) {
    FakeOrigin origin([&](const OriginRequest&) {
      OriginReply reply = FakeOrigin::Status(200, "OK", content);
      reply.framing = framing;
      return reply;
    });
    const auto reply = Get(origin.Url("/"));
    ASSERT_THAT(reply, IsOk());
    EXPECT_TRUE(reply->body == content);
  }
}

TEST_F(HttpClientTest, HeadHasNoBodyAndKeepsTheLength) {
  FakeOrigin origin([](const OriginRequest&) { return FakeOrigin::Status(200, "OK", "12345"); });
  HttpClientRequest request;
  request.url = origin.Url("/");
  request.method = "HEAD";
  const auto reply = Send(std::move(request));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->body, "");
  EXPECT_EQ(FindHeader(reply->head.headers, "content-length"), "5");
}

TEST_F(HttpClientTest, SendsFixedBodiesWithAnyMethod) {
  FakeOrigin origin([](const OriginRequest&) { return OriginReply(); });
  const std::string body = Pattern(kMiBytes);
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE", "REPORT"}) {
    HttpClientRequest request;
    request.url = origin.Url("/");
    request.method = method;
    request.body_kind = HttpClientRequest::Body::kFixed;
    request.body = body;
    ASSERT_THAT(Send(std::move(request)), IsOk());
    EXPECT_EQ(origin.requests().back().method, method);
    EXPECT_TRUE(origin.requests().back().body == body);
    EXPECT_FALSE(origin.requests().back().Header("Expect").has_value());
  }
}

TEST_F(HttpClientTest, APostWithoutABodyHasLengthZero) {
  FakeOrigin origin([](const OriginRequest&) { return OriginReply(); });
  HttpClientRequest request;
  request.url = origin.Url("/uploads/");
  request.method = "POST";
  ASSERT_THAT(Send(std::move(request)), IsOk());
  EXPECT_EQ(origin.requests()[0].Header("Content-Length"), "0");
}

TEST_F(HttpClientTest, ReportsABrokenBodyAsDataLoss) {
  FakeOrigin origin([](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Status(200, "OK", Pattern(100'000));
    if (request.target == "/half") reply.close_after = 50'000;
    if (request.target == "/lie") reply.claimed_length = 200'000;
    if (request.target == "/chunks") {
      reply.framing = OriginReply::Framing::kChunked;
      reply.close_after = 50'000;
    }
    return reply;
  });
  for (const std::string path : {"/half", "/lie", "/chunks"}) {
    EXPECT_THAT(Get(origin.Url(path)), StatusIs(absl::StatusCode::kDataLoss, "closed")) << path;
  }
}

TEST_F(HttpClientTest, ReportsABrokenHeadAsUnavailable) {
  FakeOrigin origin([](const OriginRequest& request) {
    OriginReply reply;
    reply.close_after = -1;
    if (request.target == "/nothing") reply.raw = "";
    return reply;
  });
  EXPECT_THAT(Get(origin.Url("/nothing")), StatusIs(absl::StatusCode::kUnavailable, "closed"));
  EXPECT_FALSE(Get(origin.Url("/half-a-head")).ok());
}

TEST_F(HttpClientTest, ReportsAnAnswerThatIsNotHttp) {
  FakeOrigin origin([](const OriginRequest&) {
    OriginReply reply;
    reply.raw = "SSH-2.0-OpenSSH_9.2\r\n\r\n";
    return reply;
  });
  EXPECT_THAT(Get(origin.Url("/")), StatusIs(absl::StatusCode::kDataLoss, "not HTTP"));
}

TEST_F(HttpClientTest, RefusesAnEndlessHead) {
  FakeOrigin origin([](const OriginRequest&) {
    OriginReply reply;
    for (int i = 0; i < 100; ++i) {
      reply.headers.emplace_back("X-Filler-" + std::to_string(i), std::string(8192, 'x'));
    }
    return reply;
  });
  EXPECT_FALSE(Get(origin.Url("/")).ok());
}

TEST_F(HttpClientTest, NamesARefusedConnectionAndAnUnknownHost) {
  const std::string port = std::to_string(FreePort());
  EXPECT_THAT(Get("http://127.0.0.1:" + port + "/"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Get("http://no-such-host.invalid/"), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(HttpClientTest, GivesUpWhenTheHeadOrTheNextByteIsLate) {
  FakeOrigin origin([](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Status(200, "OK", Pattern(200'000));
    if (request.target == "/head") reply.delay_head = std::chrono::seconds(30);
    if (request.target == "/body") reply.delay_body = std::chrono::seconds(30);
    return reply;
  });
  HttpClientRequest request;
  request.url = origin.Url("/head");
  request.timeouts.head = milliseconds(50);
  EXPECT_THAT(Send(request), StatusIs(absl::StatusCode::kDeadlineExceeded, "head"));
  request.url = origin.Url("/body");
  request.timeouts = {};
  request.timeouts.idle = milliseconds(50);
  EXPECT_THAT(Send(request), StatusIs(absl::StatusCode::kDeadlineExceeded, "no byte"));
  request.timeouts = {};
  request.timeouts.total = milliseconds(50);
  EXPECT_THAT(Send(request), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(HttpClientTest, PausesAsTheSinkWishesAndLosesNothing) {
  const std::string content = Pattern(4 * kMiBytes);
  FakeOrigin origin([&](const OriginRequest&) { return FakeOrigin::Status(200, "OK", content); });
  HttpClientRequest request;
  request.url = origin.Url("/");
  CountingSink sink;
  sink.pause_every = 100'000;
  ASSERT_THAT(RunCoro(runtime_, client_.Fetch(request, sink)), IsOk());
  EXPECT_TRUE(sink.body == content);
  EXPECT_GT(sink.waits, 20);
}

TEST_F(HttpClientTest, TheSinkStopsAnExchangeWithItsOwnStatus) {
  FakeOrigin origin([](const OriginRequest&) {
    return FakeOrigin::Status(200, "OK", Pattern(4 * kMiBytes));
  });
  HttpClientRequest request;
  request.url = origin.Url("/");
  CountingSink sink;
  sink.head_status = absl::AlreadyExistsError("seen enough");
  EXPECT_THAT(RunCoro(runtime_, client_.Fetch(request, sink)),
              StatusIs(absl::StatusCode::kAlreadyExists, "seen enough"));
  EXPECT_EQ(sink.body, "");
  EXPECT_THAT(RunCoro(runtime_, client_.FetchToMemory(request, 1000)),
              StatusIs(absl::StatusCode::kResourceExhausted, "1000"));
}

TEST_F(HttpClientTest, FollowsRedirectsOnlyWhenTold) {
  FakeOrigin origin([](const OriginRequest& request) {
    if (request.target == "/loop") return FakeOrigin::Redirect(302, "/loop");
    if (request.target == "/from") return FakeOrigin::Redirect(307, "/to");
    return FakeOrigin::Status(200, "OK", "arrived");
  });
  HttpClientRequest request;
  request.url = origin.Url("/from");
  auto reply = Send(request);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->head.status_code, 307);
  request.max_redirects = 3;
  reply = Send(request);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->body, "arrived");
  EXPECT_EQ(reply->head.effective_url, origin.Url("/to"));
  request.url = origin.Url("/loop");
  EXPECT_THAT(Send(request), StatusIs(absl::StatusCode::kFailedPrecondition, "redirects"));
}

TEST_F(HttpClientTest, GoesThroughAProxyUnlessTheHostIsExempt) {
  FakeOrigin proxy([](const OriginRequest&) { return FakeOrigin::Status(200, "OK", "proxy"); });
  FakeOrigin origin([](const OriginRequest&) { return FakeOrigin::Status(200, "OK", "origin"); });
  HttpClientOptions options;
  options.proxies.http = proxy.Url("");
  options.proxies.no_proxy = "127.0.0.1";
  HttpClient client(options, {runtime_.executor()});
  HttpClientRequest request;
  request.url = origin.Url("/x");
  auto reply = RunCoro(runtime_, client.FetchToMemory(request, 100));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->body, "origin");
  request.url = "http://some-host.invalid/x";
  reply = RunCoro(runtime_, client.FetchToMemory(request, 100));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->body, "proxy");
  EXPECT_EQ(proxy.requests()[0].target, "http://some-host.invalid/x");
  RunCoro(runtime_, client.Stop());
}

// An exchange, driven from a coroutine of the client's executor.
Awaitable<absl::StatusOr<std::string>> Exchange(HttpClient& client, HttpClientRequest request,
                                                std::vector<std::string> blocks) {
  CO_ASSIGN_OR_RETURN(const auto exchange, co_await client.Open(std::move(request)));
  for (const std::string& block : blocks) {
    CO_RETURN_IF_ERROR(co_await exchange->Write(AsBytes(block)));
  }
  exchange->FinishBody();
  CO_ASSIGN_OR_RETURN(const HttpClientResponse head, co_await exchange->ReadHead());
  std::string text = std::to_string(head.status_code) + " ";
  while (true) {
    CO_ASSIGN_OR_RETURN(const auto bytes, co_await exchange->ReadSome());
    if (bytes.empty()) co_return text;
    text.append(AsText(bytes));
  }
}

TEST_F(HttpClientTest, AnExchangeStreamsBothWays) {
  FakeOrigin origin([](const OriginRequest& request) {
    return FakeOrigin::Status(201, "Created", request.body);
  });
  const std::vector<std::string> blocks{Pattern(1), Pattern(700'000), Pattern(2 * kMiBytes)};
  const std::string whole = blocks[0] + blocks[1] + blocks[2];
  HttpClientRequest request;
  request.url = origin.Url("/");
  request.method = "PATCH";
  request.body_kind = HttpClientRequest::Body::kStreamed;
  for (const bool known : {true, false}) {
    if (known) request.streamed_length = whole.size();
    if (!known) request.streamed_length.reset();
    const auto text = RunCoro(runtime_, Exchange(client_, request, blocks));
    ASSERT_THAT(text, IsOk());
    EXPECT_TRUE(*text == "201 " + whole);
    EXPECT_EQ(origin.requests().back().Header("Content-Length").has_value(), known);
  }
}

Awaitable<absl::StatusOr<std::size_t>> ReadSlowly(HttpClient& client, HttpClientRequest request) {
  CO_ASSIGN_OR_RETURN(const auto exchange, co_await client.Open(std::move(request)));
  CO_RETURN_IF_ERROR((co_await exchange->ReadHead()).status());
  std::size_t longest = 0;
  std::size_t total = 0;
  while (true) {
    co_await SleepFor(milliseconds(1));
    CO_ASSIGN_OR_RETURN(const auto bytes, co_await exchange->ReadSome());
    if (bytes.empty()) break;
    longest = std::max(longest, bytes.size());
    total += bytes.size();
  }
  if (total != 16 * kMiBytes) co_return absl::DataLossError(std::to_string(total));
  co_return longest;
}

TEST_F(HttpClientTest, AnExchangeReadsOnlyALittleAheadOfItsReader) {
  FakeOrigin origin([](const OriginRequest&) {
    return FakeOrigin::Status(200, "OK", Pattern(16 * kMiBytes));
  });
  HttpClientRequest request;
  request.url = origin.Url("/");
  const auto longest = RunCoro(runtime_, ReadSlowly(client_, request));
  ASSERT_THAT(longest, IsOk());
  EXPECT_LE(*longest, 512 * 1024U);
}

TEST_F(HttpClientTest, AnExchangeEndsWithTheErrorOfTheNetwork) {
  FakeOrigin origin([](const OriginRequest&) {
    OriginReply reply = FakeOrigin::Status(200, "OK", Pattern(100'000));
    reply.close_after = 50'000;
    return reply;
  });
  HttpClientRequest request;
  request.url = origin.Url("/");
  EXPECT_THAT(RunCoro(runtime_, Exchange(client_, request, {})),
              StatusIs(absl::StatusCode::kDataLoss, "closed"));
}

TEST_F(HttpClientTest, CancellingTheCallerAbortsTheTransfer) {
  FakeOrigin origin([](const OriginRequest&) {
    OriginReply reply = FakeOrigin::Status(200, "OK", Pattern(200'000));
    reply.delay_body = std::chrono::seconds(30);
    return reply;
  });
  HttpClientRequest request;
  request.url = origin.Url("/");
  CountingSink sink;
  asio::cancellation_signal cancel;
  std::atomic<bool> ended = false;
  asio::co_spawn(runtime_.executor(), client_.Fetch(request, sink),
                 asio::bind_cancellation_slot(
                     cancel.slot(), [&](const std::exception_ptr& error,
                                        const absl::StatusOr<HttpClientResponse>&) {
                       EXPECT_TRUE(error != nullptr);
                       ended = true;
                     }));
  ASSERT_TRUE(WaitFor([&] { return origin.request_count() == 1; }));
  asio::post(runtime_.executor(), [&] { cancel.emit(asio::cancellation_type::all); });
  EXPECT_TRUE(WaitFor([&] { return ended.load(); }));
}

TEST_F(HttpClientTest, StopEndsWhatRunsAndRefusesWhatComes) {
  FakeOrigin origin([](const OriginRequest&) {
    OriginReply reply;
    reply.delay_head = std::chrono::seconds(30);
    return reply;
  });
  HttpClientRequest request;
  request.url = origin.Url("/");
  auto running = asio::co_spawn(runtime_.executor(), client_.FetchToMemory(request, 100),
                                asio::use_future);
  ASSERT_TRUE(WaitFor([&] { return origin.request_count() == 1; }));
  RunCoro(runtime_, client_.Stop());
  EXPECT_THAT(running.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Get(origin.Url("/")), StatusIs(absl::StatusCode::kCancelled));
}

TEST(HttpClientExecutorsTest, FetchesForExecutorsThatAreNotItsOwn) {
  Runtime own("own", 2);
  Runtime other("other", 1);
  HttpClient client(HttpClientOptions{}, {own.executor(0), own.executor(1)});
  FakeOrigin origin([](const OriginRequest&) { return FakeOrigin::Status(200, "OK", "x"); });
  HttpClientRequest request;
  request.url = origin.Url("/");
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(RunCoro(other, client.FetchToMemory(request, 100)), IsOk());
  }
  EXPECT_EQ(origin.connections(), 2U);
  EXPECT_THAT(RunCoro(other, client.Open(request)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  RunCoro(other, client.Stop());
}

}  // namespace
}  // namespace dragonfly
