#include "common/http/server.h"

#include <fcntl.h>

#include <atomic>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/async/runtime.h"
#include "common/async/sleep.h"
#include "common/base/bytes.h"
#include "common/http/router.h"
#include "common/http/test_socket.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"

namespace dragonfly {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class HttpServerTest : public testing::Test {
 protected:
  void Serve(HttpHandler handler, HttpServerLimits limits = {}, std::size_t connections_max = 100) {
    HttpServerOptions options;
    options.limits = limits;
    options.connections_max = connections_max;
    auto server = HttpServer::Listen(options, runtime_, std::move(handler));
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  void TearDown() override { Stop(milliseconds(0)); }
  void Stop(milliseconds grace) {
    if (server_ != nullptr) RunCoro(runtime_, server_->Stop(grace));
    server_.reset();
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

  Runtime runtime_{"http", 2};
  std::unique_ptr<HttpServer> server_;
};

Awaitable<> EchoTarget(HttpRequest& request, HttpResponder& responder) {
  (void)co_await responder.Send(HttpResponse::Text(200, request.method + " " + request.target));
}

Awaitable<> EchoBody(HttpRequest& request, HttpResponder& responder) {
  auto body = co_await request.ReadWholeBody(1 << 20);
  if (!body.ok()) {
    (void)co_await responder.Send(HttpResponse::Text(400, std::string(body.status().message())));
    co_return;
  }
  (void)co_await responder.Send(HttpResponse::Text(200, *std::move(body)));
}

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  Serve(EchoTarget);
  TestSocket client(port());
  for (int i = 0; i < 3; ++i) {
    client.Send("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.ReadHead(), HasSubstr("Content-Length: 10\r\n"));
    EXPECT_EQ(client.Read(10), "GET /a?b=c");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Serve(EchoTarget);
  TestSocket client(port());
  client.Send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string all = client.ReadToEnd();
  EXPECT_LT(all.find("GET /1"), all.find("GET /2"));
  EXPECT_THAT(all, HasSubstr("Connection: close"));
}

TEST_F(HttpServerTest, PassesTheFormsOfRequestTargets) {
  Serve(EchoTarget);
  TestSocket client(port());
  client.Send("GET http://host:81/a HTTP/1.1\r\n\r\n");
  client.ReadHead();
  EXPECT_EQ(client.Read(20), "GET http://host:81/a");
  client.Send("OPTIONS * HTTP/1.1\r\n\r\n");
  client.ReadHead();
  EXPECT_EQ(client.Read(9), "OPTIONS *");
}

TEST_F(HttpServerTest, RefusesATlsHandshakeAtOnceInPlainText) {
  Serve(EchoTarget);
  TestSocket client(port());
  client.Send(std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
}

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  Serve(EchoTarget);
  for (const char* bytes : {"GET\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nNo colon\r\n\r\n",
                            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"}) {
    TestSocket client(port());
    client.Send(bytes);
    EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 400 ")) << bytes;
  }
}

TEST_F(HttpServerTest, RefusesAHeadThatIsTooLarge) {
  HttpServerLimits limits;
  limits.head_bytes_max = 1000;
  Serve(EchoTarget, limits);
  TestSocket client(port());
  client.Send("GET / HTTP/1.1\r\nA: " + std::string(2000, 'a'));
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, RefusesABodyThatIsTooLarge) {
  HttpServerLimits limits;
  limits.body_bytes_max = 10;
  Serve(EchoBody, limits);
  TestSocket announced(port());
  announced.Send("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n");
  EXPECT_THAT(announced.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
  TestSocket chunked(port());
  chunked.Send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
  EXPECT_THAT(chunked.ReadHead(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, ReadsBodiesWithLengthAndInChunks) {
  Serve(EchoBody);
  TestSocket client(port());
  client.Send("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
  client.ReadHead();
  EXPECT_EQ(client.Read(5), "hello");
  client.Send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n");
  client.Send("3\r\ncde\r\n0\r\nTrailer: t\r\n\r\nGET / HTTP/1.1\r\n\r\n");
  client.ReadHead();
  EXPECT_EQ(client.Read(5), "abcde");
  EXPECT_THAT(client.ReadHead(), HasSubstr("Content-Length: 0"));
}

TEST_F(HttpServerTest, InvitesABodyThatWaitsForLeave) {
  Serve(EchoBody);
  TestSocket client(port());
  client.Send("PUT / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadHead(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  client.ReadHead();
  EXPECT_EQ(client.Read(2), "ok");
}

TEST_F(HttpServerTest, SkipsABodyThatNobodyReads) {
  Serve(EchoTarget);
  TestSocket client(port());
  client.Send("POST /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\n\r\n");
  client.ReadHead();
  EXPECT_EQ(client.Read(7), "POST /1");
  client.ReadHead();
  EXPECT_EQ(client.Read(6), "GET /2");
}

Awaitable<> StreamTwoParts(HttpRequest&, HttpResponder& responder) {
  (void)co_await responder.Begin({});
  (void)co_await responder.Write(AsBytes("first "));
  (void)co_await responder.Write(AsBytes("second"));
  (void)co_await responder.End();
}

TEST_F(HttpServerTest, StreamsInChunksAndUntilCloseForOldClients) {
  Serve(StreamTwoParts);
  TestSocket client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.ReadHead(), HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "6\r\nfirst \r\n6\r\nsecond\r\n0\r\n\r\n");
  TestSocket old(port());
  old.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.ReadHead(), Not(HasSubstr("Transfer-Encoding")));
  EXPECT_EQ(old.ReadToEnd(), "first second");
}

TEST_F(HttpServerTest, SendsNoBodyForHead) {
  Serve(StreamTwoParts);
  TestSocket client(port());
  client.Send("HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), testing::EndsWith("\r\n\r\n"));
}

Awaitable<> PromiseTenSendFour(HttpRequest&, HttpResponder& responder) {
  HttpResponseHead head;
  head.content_length = 10;
  (void)co_await responder.Begin(std::move(head));
  (void)co_await responder.Write(AsBytes("four"));
}

TEST_F(HttpServerTest, ClosesWhenTheAnswerIsIncomplete) {
  Serve(PromiseTenSendFour);
  TestSocket client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.ReadHead(), HasSubstr("Content-Length: 10"));
  EXPECT_EQ(client.ReadToEnd(), "four");
}

Awaitable<> NoAnswer(HttpRequest&, HttpResponder&) { co_return; }

TEST_F(HttpServerTest, Says500ForAHandlerWithoutAnswer) {
  Serve(NoAnswer);
  TestSocket client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 500 "));
}

Awaitable<> SendRegion(int fd, std::uint64_t offset, std::uint64_t length, HttpResponder& responder) {
  HttpResponseHead head;
  head.content_length = length;
  (void)co_await responder.Begin(std::move(head));
  const absl::Status sent = co_await responder.SendFile(fd, offset, length);
  if (sent.ok()) (void)co_await responder.End();
}

TEST_F(HttpServerTest, SendsARegionOfAFileAlsoToASlowReader) {
  TempDir dir;
  std::string content(3'000'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 / 7);
  WriteFile(dir.File("f"), content);
  const int fd = ::open(dir.File("f").c_str(), O_RDONLY | O_CLOEXEC);
  Serve([fd](HttpRequest&, HttpResponder& responder) {
    return SendRegion(fd, 1000, 2'500'000, responder);
  });
  TestSocket client(port(), /*receive_buffer=*/4096);
  client.Send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  client.ReadHead();
  EXPECT_TRUE(client.ReadToEnd() == content.substr(1000, 2'500'000));
  Stop(milliseconds(0));
  ::close(fd);
}

TEST_F(HttpServerTest, ClosesWhenTheFileIsShorterThanAnnounced) {
  TempDir dir;
  WriteFile(dir.File("f"), "0123456789");
  const int fd = ::open(dir.File("f").c_str(), O_RDONLY | O_CLOEXEC);
  Serve([fd](HttpRequest&, HttpResponder& responder) { return SendRegion(fd, 5, 50, responder); });
  TestSocket client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  client.ReadHead();
  EXPECT_EQ(client.ReadToEnd(), "56789");
  Stop(milliseconds(0));
  ::close(fd);
}

struct Seen {
  std::atomic<bool> started{false};
  std::atomic<bool> ended{false};
};

Awaitable<> WaitForever(Seen& seen) {
  struct End {
    Seen& s;
    ~End() { s.ended = true; }
  };
  const End end{seen};
  seen.started = true;
  co_await SleepFor(std::chrono::hours(1));
}

TEST_F(HttpServerTest, CancelsTheHandlerWhenTheClientLeaves) {
  Seen seen;
  Serve([&seen](HttpRequest&, HttpResponder&) { return WaitForever(seen); });
  TestSocket client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(WaitFor([&] { return seen.started.load(); }));
  client.Close();
  EXPECT_TRUE(WaitFor([&] { return seen.ended.load(); }));
}

TEST_F(HttpServerTest, StopEndsRunningRequestsAfterTheGrace) {
  Seen seen;
  Serve([&seen](HttpRequest&, HttpResponder&) { return WaitForever(seen); });
  TestSocket client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(WaitFor([&] { return seen.started.load(); }));
  Stop(milliseconds(5));
  EXPECT_TRUE(seen.ended);
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(HttpServerTest, StopClosesIdleConnectionsAtOnce) {
  Serve(EchoTarget);
  TestSocket client(port());
  client.Send("GET /1 HTTP/1.1\r\n\r\n");
  client.ReadHead();
  client.Read(6);
  Stop(std::chrono::hours(1));
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(HttpServerTest, DropsAClientThatSendsItsHeadTooSlowly) {
  HttpServerLimits limits;
  limits.head_timeout = milliseconds(20);
  Serve(EchoTarget, limits);
  TestSocket client(port());
  client.Send("GET / HT");
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(HttpServerTest, DropsAClientThatDoesNotRead) {
  HttpServerLimits limits;
  limits.stall_timeout = milliseconds(50);
  std::atomic<bool> failed = false;
  const std::string big(64 << 20, 'x');
  struct Sender {
    static Awaitable<> Send(const std::string& text, std::atomic<bool>& told,
                            HttpResponder& responder) {
      HttpResponseHead head;
      head.content_length = text.size();
      (void)co_await responder.Begin(std::move(head));
      const absl::Status sent = co_await responder.Write(AsBytes(text));
      told = !sent.ok();
    }
  };
  Serve([&](HttpRequest&, HttpResponder& responder) { return Sender::Send(big, failed, responder); },
        limits);
  TestSocket client(port(), 4096);
  client.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(WaitFor([&] { return failed.load(); }));
}

TEST_F(HttpServerTest, NewConnectionsWaitWhileTheLimitIsReached) {
  Serve(EchoTarget, {}, /*connections_max=*/1);
  TestSocket first(port());
  first.Send("GET /1 HTTP/1.1\r\n\r\n");
  first.ReadHead();
  TestSocket second(port());
  second.Send("GET /2 HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(server_->connections(), 1U);
  first.Close();
  EXPECT_THAT(second.ReadToEnd(), HasSubstr("GET /2"));
}

Awaitable<> Tunnel(HttpResponder& responder) {
  auto stream = co_await responder.Upgrade({});
  if (!stream.ok()) co_return;
  std::string word(4, '\0');
  auto bytes = std::as_writable_bytes(std::span(word));
  while (!bytes.empty()) {
    const auto got = co_await (*stream)->ReadSome(bytes);
    if (!got.ok() || *got == 0) co_return;
    bytes = bytes.subspan(*got);
  }
  (void)co_await (*stream)->Write(AsBytes("got " + word), HttpStream::Push::kNow);
}

TEST_F(HttpServerTest, HandsTheConnectionOverWithWhatTheClientSentEarly) {
  Serve([](HttpRequest&, HttpResponder& responder) { return Tunnel(responder); });
  TestSocket client(port());
  client.Send("CONNECT host:443 HTTP/1.1\r\n\r\nea");
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 200 OK\r\n"));
  client.Send("rl");
  EXPECT_EQ(client.ReadToEnd(), "got earl");
}

TEST_F(HttpServerTest, LeavesOutFieldsThatWouldBreakTheMessage) {
  struct Sender {
    static Awaitable<> Send(HttpResponder& responder) {
      HttpResponse response = HttpResponse::Text(200, "x");
      response.headers.emplace_back("A", "b\r\nEvil: yes");
      response.headers.emplace_back("Bad name", "c");
      response.headers.emplace_back("Content-Length", "99");
      (void)co_await responder.Send(std::move(response));
    }
  };
  Serve([](HttpRequest&, HttpResponder& responder) { return Sender::Send(responder); });
  TestSocket client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  const std::string head = client.ReadHead();
  EXPECT_THAT(head, Not(HasSubstr("Evil")));
  EXPECT_THAT(head, Not(HasSubstr("Bad name")));
  EXPECT_THAT(head, Not(HasSubstr("99")));
}

TEST_F(HttpServerTest, SaysWhichAddressCannotBeUsed) {
  Serve(EchoTarget);
  HttpServerOptions options;
  options.port = port();
  EXPECT_THAT(HttpServer::Listen(options, runtime_, EchoTarget),
              StatusIs(absl::StatusCode::kUnavailable, "127.0.0.1 port "));
  options.ip = "not an address";
  EXPECT_THAT(HttpServer::Listen(options, runtime_, EchoTarget),
              StatusIs(absl::StatusCode::kInvalidArgument, "not an address"));
}

TEST_F(HttpServerTest, RouterFindsHandlersByMethodAndPath) {
  HttpRouter router;
  router.Add("GET", "/healthy", [] { return HttpResponse::Text(200, "fine"); });
  router.Add("DELETE", "/metrics", [] { return HttpResponse::Text(200, "reset"); });
  Serve(router.Handler());
  TestSocket client(port());
  client.Send("GET /healthy?x=y HTTP/1.1\r\n\r\n");
  client.ReadHead();
  EXPECT_EQ(client.Read(4), "fine");
  client.Send("HEAD /healthy HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.ReadHead(), HasSubstr("Content-Length: 4"));
  client.Send("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(client.ReadHead(), HasSubstr("Allow: DELETE\r\n"));
  client.ReadUntil("\n");
  client.Send("GET /other HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 404 "));
}

}  // namespace
}  // namespace dragonfly
