#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>

#include "absl/strings/escaping.h"
#include "common/base/strings.h"
#include "dfdaemon/proxy/proxy_fixture.h"

namespace dragonfly::dfdaemon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::string Basic(std::string_view pair) {
  return StrCat("Basic ", absl::Base64Escape(ToAbsl(pair)));
}

absl::Status Refused(int code) {
  SourceErrorInfo info;
  info.message = "refused";
  info.status_code = code;
  return SourceError(info);
}

class ProxyAccessTest : public ProxyFixture {
 protected:
  void UsePassword() {
    options.username = "user";
    options.password = "secret";
  }
  void FillCache() {
    EXPECT_THAT(Ask("GET", kBlob, "Authorization: Bearer good\r\n"), StartsWith("HTTP/1.1 200 "));
  }
};

TEST_F(ProxyAccessTest, AsksForThePasswordAndKeepsItFromTheOrigin) {
  UsePassword();
  reply_ = [](const OriginRequest& request) { return FakeOrigin::Serve(request, "ok"); };
  Start();
  const std::string refused = Ask("GET", "/v2/");
  EXPECT_THAT(refused, AllOf(StartsWith("HTTP/1.1 401 "),
                             HasSubstr("X-Dragonfly-Error-Type: proxy\r\n"),
                             HasSubstr("WWW-Authenticate: Basic ")));
  EXPECT_THAT(Ask("GET", "/v2/", StrCat("Authorization: ", Basic("user:wrong"), "\r\n")),
              StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Ask("GET", "/v2/", "Authorization: nospace\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(origin_.request_count(), 0U);
  EXPECT_EQ(Body(Ask("GET", "/v2/", StrCat("authorization: ", Basic("user:secret"), "\r\n"))), "ok");
  EXPECT_FALSE(origin_.requests().back().Header("Authorization"));
}

TEST_F(ProxyAccessTest, TakesThePasswordForProxiesAndPassesTheTokenOn) {
  UsePassword();
  reply_ = [](const OriginRequest& request) { return FakeOrigin::Serve(request, "ok"); };
  Start();
  EXPECT_EQ(Body(Ask("GET", "/v2/",
                     StrCat("Proxy-Authorization: ", Basic("user:secret"),
                            "\r\nAuthorization: Bearer token\r\n"))),
            "ok");
  EXPECT_EQ(origin_.requests().back().Header("Authorization"), "Bearer token");
  EXPECT_FALSE(origin_.requests().back().Header("Proxy-Authorization"));
}

TEST_F(ProxyAccessTest, OpensNoTunnelWithoutThePassword) {
  UsePassword();
  Start();
  EXPECT_THAT(Ask("CONNECT", StrCat("127.0.0.1:", origin_.port())),
              AllOf(StartsWith("HTTP/1.1 407 "), HasSubstr("Proxy-Authenticate: Basic ")));
  EXPECT_EQ(origin_.connections(), 0U);
}

TEST_F(ProxyAccessTest, Says429BeyondTheRate) {
  options.request_rate_limit = 2;
  reply_ = [](const OriginRequest& request) { return FakeOrigin::Serve(request, "ok"); };
  Start();
  for (int i = 0; i < 2; ++i) EXPECT_THAT(Ask("GET", "/v2/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Ask("GET", "/v2/"), AllOf(StartsWith("HTTP/1.1 429 "),
                                        HasSubstr("X-Dragonfly-Error-Type: proxy\r\n")));
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_THAT(Ask("GET", "/v2/"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ProxyAccessTest, GivesCachedContentOnlyToWhomTheOriginAdmits) {
  source_.admits = [](const SourceRequest& request) {
    return FindHeader(request.headers, "Authorization") == "Bearer good" ? absl::OkStatus()
                                                                         : Refused(401);
  };
  Start();
  FillCache();
  EXPECT_EQ(source_.asked, 0) << "the download itself asked the origin";
  const std::string refused = Ask("GET", kBlob);
  EXPECT_THAT(refused, AllOf(StartsWith("HTTP/1.1 401 "),
                             HasSubstr("X-Dragonfly-Error-Type: backend\r\n")));
  EXPECT_THAT(Ask("GET", kBlob, "Authorization: Bearer bad\r\n"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(tasks_->requests(), SizeIs(1)) << "a caller without rights starts nothing";
}

TEST_F(ProxyAccessTest, AsksTheOriginOncePerCallerForAWhile) {
  Start();
  FillCache();
  for (int i = 0; i < 3; ++i) FillCache();
  EXPECT_EQ(source_.asked, 0);
  clock_.Advance(std::chrono::minutes(6));
  FillCache();
  FillCache();
  EXPECT_EQ(source_.asked, 1);
}

TEST_F(ProxyAccessTest, ChecksACallerWhoJoinsSomebodyElsesDownload) {
  tasks_->asked_source = false;
  source_.admits = [](const SourceRequest&) { return Refused(403); };
  Start();
  EXPECT_THAT(Ask("GET", kBlob), StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(source_.asked, 1);
}

TEST_F(ProxyAccessTest, ServesWhomTheOriginKnewWhenItIsDown) {
  Start();
  EXPECT_THAT(Ask("GET", kBlob), StartsWith("HTTP/1.1 200 "));
  source_.admits = [](const SourceRequest&) {
    return SourceError({"connection refused", {}, std::nullopt});
  };
  clock_.Advance(std::chrono::hours(48));
  EXPECT_TRUE(Body(Ask("GET", kBlob)) == tasks_->content) << "public content stays to be had";
  EXPECT_THAT(Ask("GET", kBlob, "Authorization: Bearer unknown\r\n"), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ProxyAccessTest, AnswersHeadFromTheDiskWhenTheOriginIsDown) {
  options.registry_addr = "http://127.0.0.1:1";
  Start();
  EXPECT_THAT(Ask("GET", kBlob), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Ask("HEAD", kBlob),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 10500\r\n")));
}

TEST_F(ProxyAccessTest, WritesToPathsOnlyForClientsWithPassword) {
  Start();
  EXPECT_THAT(Ask("GET", kBlob, "X-Dragonfly-Output-Path: /etc/cron.d/x\r\n"),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(tasks_->requests(), SizeIs(0));
  UsePassword();
  Start();
  EXPECT_THAT(Ask("GET", kBlob, StrCat("X-Dragonfly-Output-Path: /tmp/x\r\nAuthorization: ",
                                       Basic("user:secret"), "\r\n")),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(tasks_->requests().back().output_path, "/tmp/x");
}

TEST_F(ProxyAccessTest, WritesNoSecretToTheLog) {
  tasks_->start_error = absl::UnavailableError("download failed");
  Start();
  Ask("GET", StrCat(kBlob, "?X-Amz-Signature=topsecret"), "Authorization: Bearer topsecret\r\n");
  EXPECT_TRUE(log_.Contains("proxy request failed"));
  EXPECT_FALSE(log_.Contains("topsecret"));
}

// A certificate authority of the test's own.
struct Authority {
  explicit Authority(const TempDir& dir)
      : certificate_path(dir.File("ca.crt")), key_path(dir.File("ca.key")) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 10L * 365 * 24 * 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("Test CA"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION* is_authority =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(certificate, is_authority, -1);
    X509_EXTENSION_free(is_authority);
    X509_sign(certificate, key, EVP_sha256());
    BIO* text = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(text, certificate);
    pem = Take(text);
    WriteFile(certificate_path, pem);
    PEM_write_bio_PrivateKey(text, key, nullptr, nullptr, 0, nullptr, nullptr);
    WriteFile(key_path, Take(text));
    BIO_free(text);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  static std::string Take(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_reset(bio);
    return text;
  }
  std::string certificate_path;
  std::string key_path;
  std::string pem;
};

class InterceptionTest : public ProxyAccessTest {
 protected:
  void StartIntercepting() {
    options.ca_cert_path = authority_.certificate_path;
    options.ca_key_path = authority_.key_path;
    Start();
  }
  // Through the proxy, as a client that trusts the authority.
  absl::StatusOr<HttpClient::Reply> Get(const std::string& url, HttpHeaders headers = {},
                                        const std::string& user = "") {
    HttpClientOptions through;
    through.proxies.https = StrCat("http://", user, "127.0.0.1:", proxy_->port());
    HttpClient client(through, {data_.executor(1)});
    HttpClientRequest request;
    request.url = url;
    request.headers = std::move(headers);
    request.extra_ca_pem = authority_.pem;
    auto reply = RunCoro(data_.executor(1), client.FetchToMemory(std::move(request), 1 << 20));
    RunCoro(data_.executor(1), client.Stop());
    return reply;
  }
  const Authority authority_{dir_};
};

TEST_F(InterceptionTest, MakesTasksOfRequestsInsideTls) {
  StartIntercepting();
  const auto reply = Get(StrCat("https://registry.example", kBlob));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->head.status_code, 200);
  EXPECT_TRUE(reply->body == tasks_->content);
  ASSERT_THAT(tasks_->requests(), SizeIs(1));
  EXPECT_EQ(tasks_->requests().front().url, StrCat("https://registry.example", kBlob));
}

TEST_F(InterceptionTest, HasCertificatesForAddressesToo) {
  StartIntercepting();
  const auto reply = Get(StrCat("https://127.0.0.1:5443", kBlob));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(tasks_->requests().front().url, StrCat("https://127.0.0.1:5443", kBlob));
}

TEST_F(InterceptionTest, AsksForThePasswordInsideOrAtTheTunnel) {
  UsePassword();
  StartIntercepting();
  const std::string url = StrCat("https://registry.example", kBlob);
  EXPECT_EQ(Get(url)->head.status_code, 401);
  EXPECT_EQ(Get(url, {{"Authorization", Basic("user:secret")}})->head.status_code, 200);
  EXPECT_EQ(Get(url, {}, "user:secret@")->head.status_code, 200);
}

TEST_F(ProxyAccessTest, CreateSaysWhichKeyIsWrong) {
  const auto create = [this] {
    return Proxy::Create(options, {io_.executor(), data_, disk_, clock_, *tasks_, *storage_, source_,
                                   *client_, metrics_})
        .status();
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  options.rules[0].regex = "(";
  EXPECT_THAT(create(), StatusIs(invalid, "proxy rule ("));
  options.rules.clear();
  options.registry_addr = "index.docker.io";
  EXPECT_THAT(create(), StatusIs(invalid, "proxy.registryMirror.addr"));
  options.registry_addr = "https://index.docker.io";
  options.ca_cert_path = options.ca_key_path = dir_.File("absent");
  EXPECT_THAT(create(), StatusIs(absl::StatusCode::kNotFound, "proxy.server.caCert"));
  WriteFile(dir_.File("absent"), "not PEM");
  EXPECT_THAT(create(), StatusIs(invalid, "proxy.server.caCert"));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
