#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

#include <gmock/gmock.h>

#include "common/rpc/health.h"
#include "common/rpc/test_server.h"
#include "common/rpc/time.h"
#include "common/rpc/unix_socket.h"

namespace dragonfly::rpc {
namespace {

using ::testing::HasSubstr;

TEST_F(RpcTest, TakenPortIsAnErrorThatNamesTheAddress) {
  StartAndConnect();
  Calls::Options options;
  options.executor = [this] { return handlers_.Next(); };
  Calls other_calls(options);
  ManagerService other(other_calls);
  ServerOptions server;
  server.listen = {"127.0.0.1:0", Address()};
  const auto second = Server::Start(server, {&other}, other_calls);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(Address()));
}

TEST_F(RpcTest, HealthIsServingFromTheFirstMomentAndNamesCanBeSet) {
  auto channel = StartAndConnect();
  EXPECT_EQ(RunCoro(callers_, CheckHealth(channel, "", 10s)), absl::OkStatus());
  EXPECT_EQ(RunCoro(callers_, CheckHealth(channel, "dfdaemon.v2.DfdaemonUpload", 10s)).code(),
            absl::StatusCode::kNotFound);
  server_->SetServing("dfdaemon.v2.DfdaemonUpload", false);
  EXPECT_EQ(RunCoro(callers_, CheckHealth(channel, "dfdaemon.v2.DfdaemonUpload", 10s)).code(),
            absl::StatusCode::kUnavailable);
  server_->SetServing("dfdaemon.v2.DfdaemonUpload", true);
  EXPECT_EQ(RunCoro(callers_, CheckHealth(channel, "dfdaemon.v2.DfdaemonUpload", 10s)),
            absl::OkStatus());
}

TEST_F(RpcTest, HealthIsExemptFromTheRequestLimit) {
  Calls::Options options;
  options.requests_per_second = 0.001;
  options.burst = 0.5;
  MakeCalls(std::move(options));
  EXPECT_EQ(RunCoro(callers_, CheckHealth(StartAndConnect(), "", 10s)), absl::OkStatus());
}

TEST_F(RpcTest, NobodyThereIsUnavailableSoon) {
  auto channel = StartAndConnect();
  const std::string address = Address();
  RunCoro(callers_, server_->Drain(0s));
  server_.reset();
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(RunCoro(callers_, CheckHealth(*Connect(address), "", 25s)).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 10s);
}

TEST_F(RpcTest, UnixSocketReplacesAStaleOneIsOpenToAllAndRemovedAtTheEnd) {
  const std::string path = Path("new/folder/d.sock");
  std::filesystem::create_directories(Path("new/folder"));
  {
    // A server that died leaves its file behind.
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    close(fd);
  }
  ServerOptions options;
  options.listen = {"unix:" + path, "127.0.0.1:0"};
  ASSERT_EQ(StartServer(options), absl::OkStatus());
  EXPECT_EQ(server_->port(0), 0);
  EXPECT_GT(server_->port(1), 0);
  struct stat file {};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0777U);
  EXPECT_EQ(RunCoro(callers_, CheckHealth(*Connect("unix:" + path), "", 10s)), absl::OkStatus());
  ChannelOptions as_rust;
  as_rust.authority = "[::]:50051";
  EXPECT_EQ(RunCoro(callers_, CheckHealth(*Connect("unix:" + path, as_rust), "", 10s)),
            absl::OkStatus());
  // Somebody listens there, so a second server must not take it away.
  EXPECT_EQ(PrepareUnixSocket(path).code(), absl::StatusCode::kFailedPrecondition);
  RunCoro(callers_, server_->Drain(0s));
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(RpcTest, UnixSocketIsNotPutInPlaceOfAnOrdinaryFile) {
  std::ofstream(Path("file")) << "precious";
  ServerOptions options;
  options.listen = {"unix:" + Path("file")};
  EXPECT_THAT(std::string(StartServer(options).message()), HasSubstr(Path("file")));
  EXPECT_TRUE(std::filesystem::exists(Path("file")));
}

TEST_F(RpcTest, MissingCertificateIsAnErrorThatNamesTheFile) {
  ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.tls = TlsFiles{"", Path("cert.pem"), Path("key.pem")};
  EXPECT_THAT(std::string(StartServer(options).message()), HasSubstr(Path("cert.pem")));
  std::ofstream(Path("cert.pem")) << "no certificate";
  EXPECT_THAT(std::string(StartServer(options).message()), HasSubstr("not a PEM file"));
}

void Shell(const std::string& command) {
  ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command;
}

TEST_F(RpcTest, MutualTlsAdmitsOnlyClientsWithACertificate) {
  const std::string ca = Path("ca.pem");
  const std::string key = Path("key.pem");
  const std::string cert = Path("cert.pem");
  Shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout " +
        Path("ca.key") + " -out " + ca + " -subj /CN=test-ca");
  Shell("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + key + " -out " +
        Path("csr.pem") + " -subj /CN=localhost");
  std::ofstream(Path("ext")) << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  Shell("openssl x509 -req -days 2 -in " + Path("csr.pem") + " -CA " + ca + " -CAkey " +
        Path("ca.key") + " -CAcreateserial -out " + cert + " -extfile " + Path("ext"));
  ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.tls = TlsFiles{ca, cert, key};
  ASSERT_EQ(StartServer(options), absl::OkStatus());
  ChannelOptions with;
  with.tls = TlsFiles{ca, cert, key};
  EXPECT_EQ(RunCoro(callers_, CheckHealth(*Connect(Address(), with), "", 10s)), absl::OkStatus());
  ChannelOptions without;
  without.tls = TlsFiles{ca, "", ""};
  EXPECT_EQ(RunCoro(callers_, CheckHealth(*Connect(Address(), without), "", 10s)).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(RunCoro(callers_, CheckHealth(*Connect(Address()), "", 10s)).code(),
            absl::StatusCode::kUnavailable);
}

TEST(ChannelPoolTest, KeepsWhatIsHeldAndForgetsWhatIsIdle) {
  ChannelPool pool({}, 300s);
  const SteadyTime start{};
  auto held = *pool.Get("127.0.0.1:1", start);
  EXPECT_EQ(held, *pool.Get("127.0.0.1:1", start));
  ASSERT_TRUE(pool.Get("127.0.0.1:2", start).ok());
  pool.Sweep(start + 299s);
  EXPECT_EQ(pool.size(), 2U);
  pool.Sweep(start + 300s);
  EXPECT_EQ(pool.size(), 1U);
  held.reset();
  pool.Sweep(start + 300s);
  EXPECT_EQ(pool.size(), 0U);
}

TEST(TimeTest, ConvertsBothWaysAlsoBeforeTheEpochAndOutOfRange) {
  for (const auto nanos : {0ns, 1ns, -1ns, 1'700'000'000'123'456'789ns, -1'500'000'000ns}) {
    const WallTime time(nanos);
    EXPECT_EQ(FromProto(ToProto(time)), time);
    EXPECT_GE(ToProto(time).nanos(), 0);
    EXPECT_EQ(FromProto(ToProto(Duration(nanos))), Duration(nanos));
  }
  google::protobuf::Timestamp never;
  never.set_seconds(253402300799);
  EXPECT_EQ(FromProto(never), WallTime::max());
  google::protobuf::Duration least;
  least.set_seconds(-315576000000);
  EXPECT_EQ(FromProto(least), Duration::min());
}

}  // namespace
}  // namespace dragonfly::rpc
