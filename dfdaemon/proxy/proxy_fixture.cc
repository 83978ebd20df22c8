#include "dfdaemon/proxy/proxy_fixture.h"

#include <utility>

#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

Awaitable<> Nothing() { co_return; }

}  // namespace

ProxyFixture::ProxyFixture()
    : origin_([this](const OriginRequest& request) {
        return reply_ ? reply_(request) : FakeOrigin::Status(404, "Not Found", "nothing here");
      }) {
  StorageOptions storage;
  storage.dir = dir_.path();
  storage_ = Storage::Open(std::move(storage), clock_).value();
  tasks_ = std::make_unique<FakeTasks>(io_.executor(), *storage_);
  tasks_->content.resize(10'500);
  for (std::size_t i = 0; i < tasks_->content.size(); ++i) {
    tasks_->content[i] = static_cast<char>(i * 7 / 3);
  }
  client_ = std::make_unique<HttpClient>(
      HttpClientOptions{}, std::vector<asio::any_io_executor>{data_.executor(0), data_.executor(1)});
  options.ip = "127.0.0.1";
  options.port = 0;
  options.host_ip = "10.0.0.1";
  options.registry_addr = origin_.Url("");
  options.enable_task_id_based_blob_digest = true;
  ProxyRule blobs;
  blobs.regex = "blobs/sha256.*";
  options.rules = {blobs};
  options.log = log_.logger();
}

ProxyFixture::~ProxyFixture() {
  StopProxy();
  RunCoro(data_, client_->Stop());
  // Downloads are destroyed where they live, soon after their caller let go of them.
  RunCoro(io_, Nothing());
}

void ProxyFixture::Start() {
  StopProxy();
  auto proxy = Proxy::Create(options, {io_.executor(), data_, disk_, clock_, *tasks_, *storage_,
                                       source_, *client_, metrics_});
  ASSERT_THAT(proxy, IsOk());
  proxy_ = *std::move(proxy);
  ASSERT_THAT(proxy_->Start(), IsOk());
}

void ProxyFixture::StopProxy() {
  if (proxy_ != nullptr) RunCoro(data_, proxy_->Stop(std::chrono::milliseconds(0)));
  proxy_.reset();
}

std::string ProxyFixture::Text(std::string_view method, std::string_view target,
                               std::string_view fields) {
  return StrCat(method, " ", target, " HTTP/1.1\r\nHost: client.example\r\n", fields, "\r\n");
}

std::string ProxyFixture::Ask(std::string_view method, std::string_view target,
                              std::string_view fields) {
  TestSocket socket(proxy_->port());
  socket.Send(Text(method, target, StrCat("Connection: close\r\n", fields)));
  return socket.ReadToEnd();
}

std::string ProxyFixture::Body(const std::string& answer) {
  const auto end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

}  // namespace dragonfly::dfdaemon
