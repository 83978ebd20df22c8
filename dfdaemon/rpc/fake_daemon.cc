#include "dfdaemon/rpc/fake_daemon.h"

#include "common/async/sleep.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::uint64_t kPieceLength = 100;

rpc::Calls::Options CallsOn(const Runtime& runtime) {
  rpc::Calls::Options options;
  options.executor = [executor = runtime.executor()] { return executor; };
  return options;
}

Awaitable<> TakeUpload(std::atomic<std::uint64_t>& total, std::uint64_t bytes) {
  total += bytes;
  co_return;
}

}  // namespace

Awaitable<absl::StatusOr<std::optional<PieceRecord>>> FakeDownload::Next() {
  if (next_ < script_.pieces.size()) co_return script_.pieces[next_++];
  if (script_.hang) co_await SleepFor(std::chrono::hours(1));
  if (!script_.end.ok()) co_return script_.end;
  co_return std::nullopt;
}

ServicesTest::ServicesTest()
    : network_(io_.executor(),
               NetworkMonitorOptions{.ip = "127.0.0.1", .interval = std::chrono::milliseconds(1)}),
      upload_calls_(CallsOn(io_)),
      download_calls_(CallsOn(io_)) {}

void ServicesTest::SetUp() {
  StorageOptions options;
  options.dir = dir_.File("storage");
  auto storage = Storage::Open(std::move(options), clock_);
  ASSERT_TRUE(storage.ok()) << storage.status();
  storage_ = *std::move(storage);

  upload_ = std::make_unique<UploadService>(Deps(upload_calls_, false));
  download_ = std::make_unique<DownloadService>(Deps(download_calls_, true));

  rpc::ServerOptions tcp;
  tcp.listen = {"127.0.0.1:0"};
  auto upload_server = rpc::Server::Start(tcp, {upload_.get()}, upload_calls_);
  ASSERT_TRUE(upload_server.ok()) << upload_server.status();
  upload_server_ = *std::move(upload_server);
  rpc::ServerOptions unix_socket;
  unix_socket.listen = {"unix:" + dir_.File("dfdaemon.sock")};
  auto download_server = rpc::Server::Start(unix_socket, {download_.get()}, download_calls_);
  ASSERT_TRUE(download_server.ok()) << download_server.status();
  download_server_ = *std::move(download_server);

  upload_stub_ = pb::dfdaemon::DfdaemonUpload::NewStub(
      *rpc::Connect(StrCat("127.0.0.1:", upload_server_->port())));
  download_stub_ = pb::dfdaemon::DfdaemonDownload::NewStub(*rpc::Connect(unix_socket.listen[0]));
}

ServiceDeps ServicesTest::Deps(rpc::Calls& calls, bool allow_output_path) {
  return {.calls = calls,
          .io = io_.executor(),
          .disk = disk_,
          .storage = *storage_,
          .tasks = tasks_,
          .schedulers = schedulers_,
          .network = network_,
          .metrics = metrics_,
          .content = content_,
          .host_id = HostId("host"),
          .ip = "10.0.0.1",
          .vortex_tcp_port = 4005,
          .vortex_quic_port = std::nullopt,
          .acquire_upload = [this](std::uint64_t n) { return TakeUpload(upload_bytes_, n); },
          .allow_output_path = allow_output_path};
}

void ServicesTest::TearDown() {
  if (upload_server_) Run(upload_server_->Drain(Duration::zero()));
  if (download_server_) Run(download_server_->Drain(Duration::zero()));
  RunCoro(io_, network_.Stop());
}

std::shared_ptr<StoredTask> ServicesTest::MakeTask(const std::string& id,
                                                   const std::string& content) {
  TaskSpec spec;
  spec.id = TaskId(id);
  spec.piece_length = kPieceLength;
  spec.content_length = content.size();
  spec.response_headers = {{"etag", "x"}};
  auto task = storage_->Create(std::move(spec));
  EXPECT_TRUE(task.ok()) << task.status();
  return *std::move(task);
}

}  // namespace dragonfly::dfdaemon
