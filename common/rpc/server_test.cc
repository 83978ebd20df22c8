#include <atomic>
#include <stdexcept>
#include <thread>

#include <grpcpp/create_channel.h>

#include "common/async/with_timeout.h"
#include "common/rpc/test_server.h"

namespace dragonfly::rpc {
namespace {

using pb::manager::GetSchedulerRequest;
using pb::manager::KeepAliveRequest;

/// Says whether a handler began, and whether it was left by cancellation.
struct Probe {
  std::atomic<bool> entered = false;
  std::atomic<bool> cancelled = false;
};

struct OnExit {
  std::atomic<bool>& flag;
  ~OnExit() { flag = true; }
};

Awaitable<absl::Status> HangUnary(Probe& probe) {
  const OnExit guard{probe.cancelled};
  probe.entered = true;
  co_await SleepFor(1h);
  co_return absl::OkStatus();
}

Awaitable<absl::StatusOr<pb::manager::Scheduler>> CallGetScheduler(
    std::shared_ptr<grpc::Channel> channel, std::string hostname, Duration timeout) {
  const auto stub = pb::manager::Manager::NewStub(channel);
  GetSchedulerRequest request;
  request.set_hostname(std::move(hostname));
  co_return co_await Unary(*stub->async(), &ManagerStub::async::GetScheduler, request, timeout);
}

Awaitable<absl::Status> EchoHostname(ServerCall& call, const GetSchedulerRequest& request,
                                     pb::manager::Scheduler& response) {
  response.set_hostname(request.hostname());
  response.set_ip(call.peer_ip());
  co_return absl::OkStatus();
}

TEST_F(RpcTest, HandlerThatThrowsAnswersInternalAndIsReported) {
  manager_->get_scheduler = [](ServerCall&, const GetSchedulerRequest&,
                               pb::manager::Scheduler&) -> Awaitable<absl::Status> {
    throw std::runtime_error("boom");
    co_return absl::OkStatus();
  };
  const auto result = RunCoro(callers_, CallGetScheduler(StartAndConnect(), "a", 10s));
  EXPECT_EQ(result.status(), absl::InternalError("internal error"));
  EXPECT_EQ(exception_, "boom");
}

TEST_F(RpcTest, BinaryDetailsOfAStatusArriveAsTheyAre) {
  const std::string details("{\"status_code\":404,\0\xff}", 22);
  manager_->get_scheduler = [details](ServerCall&, const GetSchedulerRequest&,
                                      pb::manager::Scheduler&) -> Awaitable<absl::Status> {
    return [](std::string bytes) -> Awaitable<absl::Status> {
      co_return WithDetails(absl::InternalError("origin said no"), bytes);
    }(details);
  };
  const auto result = RunCoro(callers_, CallGetScheduler(StartAndConnect(), "a", 10s));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(result.status().message(), "origin said no");
  EXPECT_EQ(StatusDetails(result.status()), details);
}

TEST_F(RpcTest, ClientThatCancelsCancelsTheHandler) {
  Probe probe;
  manager_->get_scheduler = [&](ServerCall&, const GetSchedulerRequest&, pb::manager::Scheduler&) {
    return HangUnary(probe);
  };
  auto channel = StartAndConnect();
  const auto result =
      RunCoro(callers_, WithTimeout(CallGetScheduler(channel, "a", 1h), 100ms, "get scheduler"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(WaitFor([&] { return probe.cancelled && calls_->open() == 0; }));
}

/// A client that sends its deadline but does not mind it, as tonic's does after the headers.
std::shared_ptr<grpc::Channel> CarelessChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

TEST_F(RpcTest, ReceivedDeadlineEndsAUnaryCall) {
  Probe probe;
  manager_->get_scheduler = [&](ServerCall&, const GetSchedulerRequest&, pb::manager::Scheduler&) {
    return HangUnary(probe);
  };
  StartAndConnect();
  const auto result = RunCoro(callers_, CallGetScheduler(CarelessChannel(Address()), "a", 200ms));
  EXPECT_EQ(result.status(), absl::DeadlineExceededError("deadline exceeded"));
  EXPECT_TRUE(probe.cancelled);
}

Awaitable<absl::Status> WriteLate(Writer<pb::common::Host>& writer) {
  writer.SendInitialMetadata();
  co_await SleepFor(600ms);
  pb::common::Host host;
  host.set_id("late");
  EXPECT_TRUE(co_await writer.Write(host));
  co_return absl::OkStatus();
}

Awaitable<std::string> ReadHostIds(Runtime& runtime, std::shared_ptr<grpc::Channel> channel,
                                   StreamOptions options) {
  const auto stub = pb::dfdaemon::DfdaemonUpload::NewStub(channel);
  auto stream = OpenReadStream(runtime.executor(), *stub->async(), &UploadStub::async::SyncHost,
                               pb::dfdaemon::SyncHostRequest(), options);
  std::string ids;
  while (true) {
    auto host = co_await stream.Read();
    if (!host.ok()) co_return ids + std::string(host.status().message());
    if (!host->has_value()) co_return ids + "end";
    ids += (*host)->id() + " ";
  }
}

TEST_F(RpcTest, ReceivedDeadlineDoesNotEndAStream) {
  upload_->sync_host = [](ServerCall&, const pb::dfdaemon::SyncHostRequest&,
                          Writer<pb::common::Host>& writer) { return WriteLate(writer); };
  StartAndConnect();
  EXPECT_EQ(RunCoro(callers_, ReadHostIds(callers_, CarelessChannel(Address()), {200ms, {}})),
            "late end");
}

TEST_F(RpcTest, DrainLetsACallFinishAndRefusesNewOnes) {
  std::atomic<bool> entered = false;
  std::atomic<bool> go_on = false;
  manager_->get_scheduler = [&](ServerCall&, const GetSchedulerRequest&, pb::manager::Scheduler&) {
    return [](std::atomic<bool>& in, std::atomic<bool>& go) -> Awaitable<absl::Status> {
      in = true;
      while (!go) co_await SleepFor(1ms);
      co_return absl::OkStatus();
    }(entered, go_on);
  };
  auto channel = StartAndConnect();
  auto call = asio::co_spawn(callers_.executor(), CallGetScheduler(channel, "a", 20s),
                             asio::use_future);
  ASSERT_TRUE(WaitFor([&] { return entered.load(); }));
  auto drain = asio::co_spawn(callers_.executor(), server_->Drain(20s), asio::use_future);
  ASSERT_TRUE(WaitFor([&] { return calls_->Admit("x").code() == absl::StatusCode::kUnavailable; }));
  EXPECT_EQ(calls_->open(), 1U);
  go_on = true;
  drain.get();
  EXPECT_TRUE(call.get().ok());
  EXPECT_EQ(calls_->open(), 0U);
}

TEST_F(RpcTest, DrainCancelsWhatIsStillOpenAfterTheGrace) {
  Probe probe;
  manager_->get_scheduler = [&](ServerCall&, const GetSchedulerRequest&, pb::manager::Scheduler&) {
    return HangUnary(probe);
  };
  auto channel = StartAndConnect();
  auto call = asio::co_spawn(callers_.executor(), CallGetScheduler(channel, "a", 1h),
                             asio::use_future);
  ASSERT_TRUE(WaitFor([&] { return probe.entered.load(); }));
  RunCoro(callers_, server_->Drain(10ms));
  EXPECT_TRUE(probe.cancelled);
  // gRPC resets the call and closes the connection; the client goes by what it sees first.
  const absl::StatusCode code = call.get().status().code();
  EXPECT_TRUE(code == absl::StatusCode::kCancelled || code == absl::StatusCode::kUnavailable)
      << code;
}

TEST_F(RpcTest, DrainEndsEndlessStreamsAtOnce) {
  std::atomic<bool> entered = false;
  manager_->keep_alive = [&](ServerCall& call, Reader<KeepAliveRequest>& reader,
                             google::protobuf::Empty&) {
    call.EndWhenDraining();
    return [](std::atomic<bool>& in, Reader<KeepAliveRequest>& from) -> Awaitable<absl::Status> {
      in = true;
      while (co_await from.Read()) {
      }
      co_return absl::OkStatus();
    }(entered, reader);
  };
  auto channel = StartAndConnect();
  const auto stub = pb::manager::Manager::NewStub(channel);
  auto stream = OpenWriteStream(callers_.executor(), *stub->async(), &ManagerStub::async::KeepAlive);
  ASSERT_TRUE(WaitFor([&] { return entered.load(); }));
  // An hour of grace: the test would run into its limit if the stream were waited for.
  RunCoro(callers_, server_->Drain(1h));
  EXPECT_EQ(RunCoro(callers_, stream.Finish()).status(),
            absl::UnavailableError("the server is shutting down"));
}

TEST_F(RpcTest, RequestsOverTheLimitAreRefusedWithTheOriginalsText) {
  Calls::Options options;
  options.requests_per_second = 0.001;
  options.burst = 2;
  MakeCalls(std::move(options));
  manager_->get_scheduler = EchoHostname;
  auto channel = StartAndConnect();
  EXPECT_TRUE(RunCoro(callers_, CallGetScheduler(channel, "a", 10s)).ok());
  EXPECT_TRUE(RunCoro(callers_, CallGetScheduler(channel, "a", 10s)).ok());
  EXPECT_EQ(RunCoro(callers_, CallGetScheduler(channel, "a", 10s)).status(),
            absl::ResourceExhaustedError("/manager.v2.Manager/GetScheduler is rejected by "
                                         "grpc_ratelimit middleware, please retry later."));
}

TEST_F(RpcTest, MessageOf64MiBTravelsBothWays) {
  manager_->get_scheduler = EchoHostname;
  auto channel = StartAndConnect();
  const std::string large(64U << 20U, 'x');
  const auto result = RunCoro(callers_, CallGetScheduler(channel, large, 25s));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->hostname(), large);
  EXPECT_EQ(result->ip(), "127.0.0.1");
}

TEST_F(RpcTest, ReaderSeesAllMessagesAndTheHalfClose) {
  manager_->keep_alive = [](ServerCall&, Reader<KeepAliveRequest>& reader,
                            google::protobuf::Empty&) {
    return [](Reader<KeepAliveRequest>& from) -> Awaitable<absl::Status> {
      std::string names;
      while (auto message = co_await from.Read()) names += message->hostname();
      co_return absl::AbortedError(names);
    }(reader);
  };
  auto channel = StartAndConnect();
  const auto stub = pb::manager::Manager::NewStub(channel);
  auto talk = [](Runtime& runtime, ManagerStub& to) -> Awaitable<absl::Status> {
    auto stream = OpenWriteStream(runtime.executor(), *to.async(), &ManagerStub::async::KeepAlive);
    for (const char* name : {"a", "b", "c"}) {
      KeepAliveRequest request;
      request.set_hostname(name);
      EXPECT_TRUE(co_await stream.Write(request));
    }
    co_return (co_await stream.Finish()).status();
  };
  EXPECT_EQ(RunCoro(callers_, talk(callers_, *stub)), absl::AbortedError("abc"));
}

TEST_F(RpcTest, WriterLearnsThatTheClientWentAway) {
  std::atomic<bool> gone = false;
  upload_->sync_host = [&](ServerCall&, const pb::dfdaemon::SyncHostRequest&,
                           Writer<pb::common::Host>& writer) {
    return [](std::atomic<bool>& flag, Writer<pb::common::Host>& to) -> Awaitable<absl::Status> {
      const OnExit guard{flag};
      pb::common::Host host;
      host.set_hostname(std::string(1U << 20U, 'h'));
      while (co_await to.Write(host)) {
      }
      co_return absl::OkStatus();
    }(gone, writer);
  };
  auto channel = StartAndConnect();
  const auto stub = pb::dfdaemon::DfdaemonUpload::NewStub(channel);
  auto read_one = [](Runtime& runtime, UploadStub& from) -> Awaitable<bool> {
    auto stream = OpenReadStream(runtime.executor(), *from.async(), &UploadStub::async::SyncHost,
                                 pb::dfdaemon::SyncHostRequest());
    auto host = co_await stream.Read();
    co_return host.ok() && host->has_value();
  };
  EXPECT_TRUE(RunCoro(callers_, read_one(callers_, *stub)));
  EXPECT_TRUE(WaitFor([&] { return gone && calls_->open() == 0; }));
}

}  // namespace
}  // namespace dragonfly::rpc
