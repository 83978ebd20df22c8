#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/async/runtime.h"
#include "common/http/client.h"
#include "common/testing/matchers.h"
#include "common/testing/nginx.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"

namespace dragonfly {
namespace {

using absl::StatusCode;

/// A real nginx with TLS and HTTP/2, and a certificate that nobody knows.
class HttpClientTlsTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto openssl = FindProgram("openssl");
    if (!openssl) GTEST_SKIP() << "openssl is not installed";
    const auto key = dir_.File("key.pem");
    const auto cert = dir_.File("cert.pem");
    ASSERT_EQ(RunProgram({*openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt",
                          "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test",
                          "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert}),
              0);
    ASSERT_EQ(RunProgram({*openssl, "x509", "-in", cert, "-outform", "DER", "-out",
                          dir_.File("cert.der")}),
              0);
    WriteFile(dir_.File("file"), content_);
    const std::string port = std::to_string(FreePort());
    url_ = "https://127.0.0.1:" + port + "/file";
    auto nginx = StartNginx(dir_.path(), dir_.path(),
                            "listen 127.0.0.1:" + port + " ssl http2; ssl_certificate " + cert +
                                "; ssl_certificate_key " + key + ";\n");
    if (absl::IsNotFound(nginx.status())) GTEST_SKIP() << "nginx is not installed";
    ASSERT_THAT(nginx, IsOk());
    nginx_.emplace(*std::move(nginx));
  }
  ~HttpClientTlsTest() override { RunCoro(runtime_, client_.Stop()); }

  static int RunProgram(std::vector<std::string> argv) {
    ProcessOptions options;
    options.argv = std::move(argv);
    auto process = Process::Start(options);
    return process.ok() ? process->Wait().value_or(-1) : -1;
  }
  HttpClientRequest Request() const {
    HttpClientRequest request;
    request.url = url_;
    return request;
  }
  std::string Trusted() const {
    return PemFromDer({ReadFile(dir_.File("cert.der")).value()});
  }
  absl::StatusOr<HttpClient::Reply> Send(HttpClientRequest request) {
    return RunCoro(runtime_, client_.FetchToMemory(std::move(request), 10'000'000));
  }

  const std::string content_ = std::string(3'000'000, 'x');
  TempDir dir_;
  std::string url_;
  std::optional<RealServer> nginx_;
  Runtime runtime_{"tls", 1};
  HttpClient client_{HttpClientOptions{}, {runtime_.executor()}};
};

TEST_F(HttpClientTlsTest, RefusesACertificateThatNobodySigned) {
  EXPECT_THAT(Send(Request()), StatusIs(StatusCode::kFailedPrecondition, "certificate"));
}

TEST_F(HttpClientTlsTest, TrustsTheCertificatesOfTheRequestAndOnlyForIt) {
  HttpClientRequest trusting = Request();
  trusting.extra_ca_pem = Trusted();
  const auto reply = Send(trusting);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->head.version, 11U);
  EXPECT_TRUE(reply->body == content_);
  // The connection that was accepted is open still.
  EXPECT_THAT(Send(Request()), StatusIs(StatusCode::kFailedPrecondition, "certificate"));
  HttpClientRequest careless = Request();
  careless.insecure = true;
  ASSERT_THAT(Send(careless), IsOk());
  EXPECT_THAT(Send(Request()), StatusIs(StatusCode::kFailedPrecondition, "certificate"));
}

TEST_F(HttpClientTlsTest, SpeaksHttp2WhenAllowed) {
  HttpClientRequest request = Request();
  request.extra_ca_pem = Trusted();
  request.allow_http2 = true;
  const auto reply = Send(std::move(request));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->head.version, 20U);
  EXPECT_TRUE(reply->body == content_);
}

}  // namespace
}  // namespace dragonfly
