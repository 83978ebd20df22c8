#include "dfdaemon/proxy/proxy.h"

#include <string>

#include "common/base/strings.h"
#include "dfdaemon/proxy/proxy_fixture.h"

namespace dragonfly::dfdaemon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class ProxyTest : public ProxyFixture {
 protected:
  void StartManually() {
    tasks_->automatic = false;
    Start();
  }
};

TEST_F(ProxyTest, ServesABlobWithTheOriginsFields) {
  tasks_->response_headers = {{"Content-Type", "application/octet-stream"},
                              {"Docker-Content-Digest", "sha256:9f86"},
                              {"Content-Length", "1"},
                              {"Set-Cookie", "session=of-somebody-else"},
                              {"Transfer-Encoding", "chunked"}};
  Start();
  const std::string answer = Ask("GET", kBlob);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, AllOf(HasSubstr("Content-Length: 10500\r\n"),
                            HasSubstr("Content-Type: application/octet-stream\r\n"),
                            HasSubstr("Docker-Content-Digest: sha256:9f86\r\n"),
                            HasSubstr("X-Dragonfly-Task-ID: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
                                      "2b0b822cd15d6c15b0f00a08\r\n"),
                            HasSubstr("X-Dragonfly-Server-IP: 10.0.0.1\r\n"),
                            Not(HasSubstr("Set-Cookie")), Not(HasSubstr("chunked"))));
  EXPECT_TRUE(Body(answer) == tasks_->content);
  EXPECT_EQ(origin_.request_count(), 0U);
  EXPECT_EQ(metrics_.tasks, 1);
  EXPECT_EQ(metrics_.failed, 0);
}

TEST_F(ProxyTest, AsksForTheTaskWithTheCallersWishes) {
  Start();
  Ask("GET", StrCat(kBlob, "?ns=docker.io"),
      "X-Dragonfly-Tag: t\r\nX-Dragonfly-Application: a\r\nX-Dragonfly-Priority: 3\r\n"
      "X-Dragonfly-Piece-Length: 4MiB\r\nAuthorization: Bearer x\r\nAccept-Encoding: gzip\r\n"
      "X-Dragonfly-Registry: http://127.0.0.1:1/\r\n");
  ASSERT_THAT(tasks_->requests(), SizeIs(1));
  const DownloadRequest request = tasks_->requests().front();
  EXPECT_EQ(request.url, StrCat("http://127.0.0.1:1", kBlob, "?ns=docker.io"));
  EXPECT_EQ(request.tag, "t");
  EXPECT_EQ(request.application, "a");
  EXPECT_EQ(request.priority, Priority::kLevel3);
  EXPECT_EQ(request.piece_length, 4 * kMiB);
  EXPECT_TRUE(request.enable_task_id_based_blob_digest);
  EXPECT_EQ(FindHeader(request.request_headers, "Authorization"), "Bearer x");
  EXPECT_FALSE(FindHeader(request.request_headers, "Accept-Encoding"));
  EXPECT_FALSE(FindHeader(request.request_headers, "X-Dragonfly-Tag"));
  EXPECT_FALSE(FindHeader(request.request_headers, "Host"));
  EXPECT_EQ(request.remote_ip, "127.0.0.1");
}

TEST_F(ProxyTest, SendsPiecesInOrderAsTheyArrive) {
  tasks_->content.resize(1'000'000, 'x');
  tasks_->piece_length = 100'000;
  StartManually();
  TestSocket client(proxy_->port());
  client.Send(Text("GET", kBlob));
  for (PieceNumber n : {2U, 1U}) tasks_->Deliver(n);
  tasks_->Deliver(0);
  client.ReadHead();
  EXPECT_TRUE(client.Read(300'000) == tasks_->content.substr(0, 300'000))
      << "bytes that are here must not wait for the end";
  for (PieceNumber n : {9U, 8U, 7U, 6U, 5U, 4U, 3U}) tasks_->Deliver(n);
  tasks_->End(absl::OkStatus());
  EXPECT_TRUE(client.Read(700'000) == tasks_->content.substr(300'000));
}

TEST_F(ProxyTest, SaysTheFailureWhenNothingWasSentYet) {
  StartManually();
  TestSocket client(proxy_->port());
  client.Send(Text("GET", kBlob));
  tasks_->End(absl::DataLossError("digest differs"));
  EXPECT_THAT(client.ReadHead(), AllOf(StartsWith("HTTP/1.1 500 "),
                                       HasSubstr("X-Dragonfly-Error-Type: dfdaemon\r\n")));
  EXPECT_EQ(metrics_.failed, 1);
}

TEST_F(ProxyTest, ClosesTheConnectionWhenTheDownloadFailsHalfWay) {
  tasks_->content.resize(1'000'000, 'x');
  tasks_->piece_length = 100'000;
  StartManually();
  TestSocket client(proxy_->port());
  client.Send(Text("GET", kBlob));
  tasks_->Deliver(0);
  EXPECT_THAT(client.ReadHead(), HasSubstr("Content-Length: 1000000"));
  client.Read(100'000);
  tasks_->End(absl::UnavailableError("download failed"));
  EXPECT_EQ(client.ReadToEnd(), "");
  EXPECT_EQ(metrics_.failed, 1);
}

TEST_F(ProxyTest, KeepsTheLastBytesUntilTheDigestHolds) {
  tasks_->content.resize(1'000'000, 'x');
  tasks_->piece_length = 500'000;
  StartManually();
  TestSocket client(proxy_->port());
  client.Send(Text("GET", kBlob));
  tasks_->Deliver(0);
  tasks_->Deliver(1);
  tasks_->End(absl::DataLossError("digest differs"));
  client.ReadHead();
  EXPECT_LT(client.ReadToEnd().size(), 1'000'000U);
}

TEST_F(ProxyTest, ServesContentOfNoBytes) {
  tasks_->content.clear();
  Start();
  const std::string answer = Ask("GET", kBlob);
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 0\r\n")));
}

struct RangeCase {
  const char* range;
  std::uint64_t start;
  std::uint64_t length;
};

TEST_F(ProxyTest, ServesRangesAs206) {
  Start();
  for (const RangeCase& c : {RangeCase{"bytes=0-0", 0, 1}, RangeCase{"bytes=100-", 100, 10'400},
                             RangeCase{"bytes=-100", 10'400, 100},
                             RangeCase{"bytes=999-2001", 999, 1003},
                             RangeCase{"bytes=0-99999", 0, 10'500},
                             RangeCase{"bytes=1-2, 5-6", 1, 2}}) {
    const std::string answer = Ask("GET", kBlob, StrCat("Range: ", c.range, "\r\n"));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 206 Partial Content\r\n")) << c.range;
    EXPECT_THAT(answer, HasSubstr(StrCat("Content-Range: bytes ", c.start, "-",
                                         c.start + c.length - 1, "/10500\r\n")));
    EXPECT_THAT(answer, HasSubstr(StrCat("Content-Length: ", c.length, "\r\n")));
    EXPECT_TRUE(Body(answer) == tasks_->content.substr(c.start, c.length)) << c.range;
  }
}

TEST_F(ProxyTest, RefusesARangeBehindTheEndWith416) {
  Start();
  EXPECT_THAT(Ask("GET", kBlob, "Range: bytes=10500-\r\n"),
              AllOf(StartsWith("HTTP/1.1 416 "), HasSubstr("Content-Range: bytes */10500\r\n")));
}

TEST_F(ProxyTest, IgnoresARangeThatIsNoneOrWhoseConditionDoesNotHold) {
  tasks_->response_headers = {{"ETag", "\"one\""}};
  Start();
  EXPECT_THAT(Ask("GET", kBlob, "Range: lines=1-2\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Ask("GET", kBlob, "Range: bytes=1-2\r\nIf-Range: \"two\"\r\n"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Ask("GET", kBlob, "Range: bytes=1-2\r\nIf-Range: \"one\"\r\n"),
              StartsWith("HTTP/1.1 206 "));
}

TEST_F(ProxyTest, AnswersNotModifiedFromTheSavedEntityTag) {
  tasks_->response_headers = {{"ETag", "\"one\""}};
  Start();
  const std::string answer = Ask("GET", kBlob, "If-None-Match: \"zero\", W/\"one\"\r\n");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 304 "), HasSubstr("ETag: \"one\"\r\n")));
  EXPECT_EQ(Body(answer), "");
  EXPECT_THAT(Ask("GET", kBlob, "If-None-Match: \"zero\"\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ProxyTest, GivesTheOriginsRefusalOfABlobWithItsFields) {
  SourceErrorInfo refusal;
  refusal.message = "unauthorized";
  refusal.status_code = 401;
  refusal.headers = {{"WWW-Authenticate", "Bearer realm=\"https://auth\""}, {"Content-Length", "99"}};
  tasks_->start_error = SourceError(refusal);
  Start();
  const std::string answer = Ask("GET", kBlob);
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 401 "),
                            HasSubstr("WWW-Authenticate: Bearer realm=\"https://auth\"\r\n"),
                            HasSubstr("X-Dragonfly-Error-Type: backend\r\n"),
                            HasSubstr("Content-Length: 0\r\n")));
}

TEST_F(ProxyTest, SaysBackendWhenTheOriginCannotBeReached) {
  tasks_->start_error = SourceError({"connection refused", {}, std::nullopt});
  Start();
  EXPECT_THAT(Ask("GET", kBlob), AllOf(StartsWith("HTTP/1.1 500 "),
                                       HasSubstr("X-Dragonfly-Error-Type: backend\r\n")));
}

TEST_F(ProxyTest, GivesUpWhenNoByteArrivesInTime) {
  options.first_byte_timeout = std::chrono::milliseconds(30);
  StartManually();
  EXPECT_THAT(Ask("GET", kBlob), AllOf(StartsWith("HTTP/1.1 504 "),
                                       HasSubstr("X-Dragonfly-Error-Type: dfdaemon\r\n")));
}

TEST_F(ProxyTest, LeavesTheDownloadWhenTheClientLeaves) {
  StartManually();
  TestSocket client(proxy_->port());
  client.Send(Text("GET", kBlob));
  ASSERT_TRUE(WaitFor([&] { return !tasks_->requests().empty(); }));
  client.Close();
  EXPECT_TRUE(WaitFor([&] { return tasks_->ended() == 1; }));
  EXPECT_EQ(metrics_.failed, 0);
}

TEST_F(ProxyTest, WaitsForASlowClient) {
  tasks_->content.assign(3'000'000, 'x');
  for (std::size_t i = 0; i < tasks_->content.size(); i += 1000) tasks_->content[i] = 'y';
  tasks_->piece_length = 200'000;
  Start();
  TestSocket client(proxy_->port(), /*receive_buffer=*/4096);
  client.Send(Text("GET", kBlob));
  client.ReadHead();
  EXPECT_TRUE(client.Read(3'000'000) == tasks_->content);
}

TEST_F(ProxyTest, PassesHeadOfABlobToTheRegistry) {
  reply_ = [](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Serve(request, "0123456789");
    reply.headers.emplace_back("Docker-Content-Digest", "sha256:abc");
    return reply;
  };
  Start();
  const std::string answer = Ask("HEAD", kBlob);
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 10\r\n"),
                            HasSubstr("Docker-Content-Digest: sha256:abc\r\n")));
  EXPECT_EQ(Body(answer), "");
  EXPECT_THAT(tasks_->requests(), SizeIs(0));
  ASSERT_THAT(origin_.requests(), SizeIs(1));
  EXPECT_EQ(origin_.requests().front().method, "HEAD");
}

TEST_F(ProxyTest, PassesManifestsThroughWithChallengeAndToken) {
  reply_ = [](const OriginRequest& request) {
    if (request.Header("Authorization") == "Bearer good") {
      OriginReply reply = FakeOrigin::Status(200, "OK", "{\"schemaVersion\":2}");
      reply.headers = {{"Docker-Content-Digest", "sha256:m"}, {"Content-Type", "application/json"}};
      return reply;
    }
    OriginReply reply = FakeOrigin::Status(401, "Unauthorized", "{\"errors\":[]}");
    reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"https://auth\",scope=\"x\"");
    return reply;
  };
  Start();
  const std::string manifest = "/v2/app/manifests/latest?ns=reg.example";
  const std::string field = StrCat("X-Dragonfly-Registry: ", origin_.Url(""), "\r\n");
  const std::string refused = Ask("GET", manifest, field);
  EXPECT_THAT(refused, AllOf(StartsWith("HTTP/1.1 401 Unauthorized\r\n"),
                             HasSubstr("WWW-Authenticate: Bearer realm=\"https://auth\",scope=\"x\"")));
  EXPECT_EQ(Body(refused), "{\"errors\":[]}");
  const std::string given = Ask("GET", manifest, field + "Authorization: Bearer good\r\n");
  EXPECT_THAT(given, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                           HasSubstr("Docker-Content-Digest: sha256:m\r\n")));
  EXPECT_EQ(Body(given), "{\"schemaVersion\":2}");
  ASSERT_THAT(origin_.requests(), SizeIs(2));
  const OriginRequest seen = origin_.requests().back();
  EXPECT_EQ(seen.target, manifest);
  EXPECT_EQ(seen.Header("Host"), StrCat("127.0.0.1:", origin_.port()));
  EXPECT_FALSE(seen.Header("X-Dragonfly-Registry"));
  EXPECT_THAT(tasks_->requests(), SizeIs(0));
}

TEST_F(ProxyTest, PassesErrorsAndRedirectsThrough) {
  reply_ = [](const OriginRequest& request) {
    if (request.target == "/moved") return FakeOrigin::Redirect(307, "https://cdn.example/x");
    return FakeOrigin::Status(404, "Not Found", "no such thing");
  };
  Start();
  const std::string missing = Ask("GET", "/v2/x/manifests/y");
  EXPECT_THAT(missing, StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_EQ(Body(missing), "no such thing");
  EXPECT_THAT(Ask("GET", "/moved"), AllOf(StartsWith("HTTP/1.1 307 "),
                                          HasSubstr("Location: https://cdn.example/x\r\n")));
}

TEST_F(ProxyTest, PassesUploadsThroughAlsoToBlobUrls) {
  reply_ = [](const OriginRequest&) { return FakeOrigin::Status(201, "Created"); };
  Start();
  const std::string body(300'000, 'b');
  TestSocket client(proxy_->port());
  client.Send(Text("PUT", kBlob, "Content-Length: 300000\r\n") + body);
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 201 "));
  ASSERT_THAT(origin_.requests(), SizeIs(1));
  EXPECT_EQ(origin_.requests().front().method, "PUT");
  EXPECT_TRUE(origin_.requests().front().body == body);
  EXPECT_THAT(tasks_->requests(), SizeIs(0));
}

TEST_F(ProxyTest, StreamsAChunkedUpload) {
  reply_ = [](const OriginRequest& request) {
    return FakeOrigin::Status(202, "Accepted", request.body);
  };
  Start();
  TestSocket client(proxy_->port());
  client.Send(Text("PATCH", "/v2/app/blobs/uploads/1", "Transfer-Encoding: chunked\r\n"));
  client.Send("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 202 "));
  EXPECT_EQ(client.Read(11), "hello world");
}

TEST_F(ProxyTest, ServesAbsoluteUrlsAsAForwardProxy) {
  reply_ = [](const OriginRequest& request) { return FakeOrigin::Serve(request, "plain"); };
  options.registry_addr = "http://127.0.0.1:1";
  Start();
  EXPECT_EQ(Body(Ask("GET", origin_.Url("/file?a=b"))), "plain");
  EXPECT_EQ(origin_.requests().front().target, "/file?a=b");
  EXPECT_TRUE(Body(Ask("GET", origin_.Url("/file"), "X-Dragonfly-Use-P2P: true\r\n")) ==
              tasks_->content);
  EXPECT_THAT(tasks_->requests(), SizeIs(1));
}

TEST_F(ProxyTest, Says502WhenTheOriginOfADirectRequestIsDown) {
  options.registry_addr = "http://127.0.0.1:1";
  Start();
  EXPECT_THAT(Ask("GET", "/v2/"), AllOf(StartsWith("HTTP/1.1 502 "),
                                        HasSubstr("X-Dragonfly-Error-Type: proxy\r\n")));
  EXPECT_EQ(metrics_.failed, 1);
}

TEST_F(ProxyTest, ClosesWhenTheOriginBreaksOffADirectAnswer) {
  reply_ = [](const OriginRequest& request) {
    OriginReply reply = FakeOrigin::Serve(request, "0123456789");
    reply.close_after = 4;
    return reply;
  };
  Start();
  const std::string answer = Ask("GET", "/v2/a/manifests/b");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 10\r\n"));
  EXPECT_LT(Body(answer).size(), 10U);
}

TEST_F(ProxyTest, RefusesBadTargetsAndLoops) {
  Start();
  EXPECT_THAT(Ask("GET", "ftp://host/file"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("GET", "/x", "X-Dragonfly-Registry: host\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("OPTIONS", "*"), StartsWith("HTTP/1.1 400 "));
  const std::string itself = StrCat("127.0.0.1:", proxy_->port());
  EXPECT_THAT(Ask("GET", "/x", StrCat("X-Dragonfly-Registry: http://", itself, "\r\n")),
              StartsWith("HTTP/1.1 508 "));
  EXPECT_THAT(Ask("CONNECT", itself), StartsWith("HTTP/1.1 508 "));
}

TEST_F(ProxyTest, TunnelsConnectWithoutLookingInside) {
  reply_ = [](const OriginRequest& request) { return FakeOrigin::Serve(request, "inside"); };
  Start();
  TestSocket client(proxy_->port());
  client.Send(StrCat("CONNECT 127.0.0.1:", origin_.port(), " HTTP/1.1\r\n\r\n"));
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 200 "));
  client.Send(Text("GET", kBlob));
  client.ReadHead();
  EXPECT_EQ(client.Read(6), "inside");
  EXPECT_THAT(tasks_->requests(), SizeIs(0));
}

TEST_F(ProxyTest, Says502WhenATunnelCannotBeOpened) {
  Start();
  EXPECT_THAT(Ask("CONNECT", "127.0.0.1:1"), StartsWith("HTTP/1.1 502 "));
  EXPECT_THAT(Ask("CONNECT", "no-port"), StartsWith("HTTP/1.1 400 "));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
