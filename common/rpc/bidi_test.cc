#include <atomic>
#include <deque>
#include <vector>

#include <boost/asio/post.hpp>

#include "common/async/task_group.h"
#include "common/async/with_timeout.h"
#include "common/rpc/test_server.h"

namespace dragonfly::rpc {
namespace {

using PersistentRequest = SchedulerService::PersistentRequest;
using PersistentResponse = SchedulerService::PersistentResponse;
using PersistentCall = SchedulerService::PersistentCall;

AnnounceRequest From(const std::string& peer) {
  AnnounceRequest request;
  request.set_peer_id(peer);
  return request;
}

AnnounceResponse Answer(const std::string& reason) {
  AnnounceResponse response;
  response.mutable_need_back_to_source_response()->set_description(reason);
  return response;
}

Awaitable<absl::Status> EchoUntilStop(Bidi<AnnounceRequest, AnnounceResponse>& stream) {
  stream.SendInitialMetadata();
  while (auto request = co_await stream.Read()) {
    if (request->peer_id() == "stop") co_return absl::NotFoundError("told to stop");
    if (!co_await stream.Write(Answer(request->peer_id()))) break;
  }
  co_return absl::OkStatus();
}

/// Sends `peers`, half-closes if told so, and returns the answers and how the stream ended.
Awaitable<std::string> Converse(Runtime& runtime, std::shared_ptr<grpc::Channel> channel,
                                std::vector<std::string> peers, bool half_close) {
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  auto stream =
      OpenBidi(runtime.executor(), *stub->async(), &SchedulerStub::async::AnnouncePeer);
  for (const std::string& peer : peers) {
    if (!co_await stream.Write(From(peer))) break;
  }
  if (half_close) co_await stream.WritesDone();
  std::string answers;
  while (true) {
    auto response = co_await stream.Read();
    if (!response.ok()) co_return answers + std::string(response.status().message());
    if (!response->has_value()) co_return answers + "end";
    answers += (*response)->need_back_to_source_response().description() + " ";
  }
}

TEST_F(RpcTest, ServerEndsABidiStreamThatTheClientKeepsOpen) {
  scheduler_->announce = [](ServerCall&, Bidi<AnnounceRequest, AnnounceResponse>& stream) {
    return EchoUntilStop(stream);
  };
  auto channel = StartAndConnect();
  EXPECT_EQ(RunCoro(callers_, Converse(callers_, channel, {"a", "b", "stop"}, false)),
            "a b told to stop");
  EXPECT_TRUE(WaitFor([&] { return calls_->open() == 0; }));
}

TEST_F(RpcTest, BidiStreamEndsWithOkAfterTheHalfClose) {
  scheduler_->announce = [](ServerCall&, Bidi<AnnounceRequest, AnnounceResponse>& stream) {
    return EchoUntilStop(stream);
  };
  auto channel = StartAndConnect();
  EXPECT_EQ(RunCoro(callers_, Converse(callers_, channel, {"a", "b"}, true)), "a b end");
}

TEST_F(RpcTest, AReadThatTimedOutLosesNoMessage) {
  std::atomic<bool> go_on = false;
  scheduler_->announce = [&](ServerCall&, Bidi<AnnounceRequest, AnnounceResponse>& stream) {
    return [](std::atomic<bool>& go,
              Bidi<AnnounceRequest, AnnounceResponse>& to) -> Awaitable<absl::Status> {
      while (!go) co_await SleepFor(1ms);
      co_await to.Write(Answer("kept"));
      co_return absl::OkStatus();
    }(go_on, stream);
  };
  auto channel = StartAndConnect();
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  auto talk = [](Runtime& runtime, SchedulerStub& to,
                 std::atomic<bool>& go) -> Awaitable<std::string> {
    auto stream = OpenBidi(runtime.executor(), *to.async(), &SchedulerStub::async::AnnouncePeer);
    auto early = co_await WithTimeout(stream.Read(), 20ms, "read");
    EXPECT_EQ(early.status().code(), absl::StatusCode::kDeadlineExceeded);
    go = true;
    auto late = co_await stream.Read();
    co_return late.ok() && late->has_value()
        ? (*late)->need_back_to_source_response().description()
        : "nothing";
  };
  EXPECT_EQ(RunCoro(callers_, talk(callers_, *stub, go_on)), "kept");
}

TEST_F(RpcTest, StreamsMayBeDroppedAtAnyTime) {
  std::atomic<int> left = 0;
  scheduler_->announce = [&](ServerCall&, Bidi<AnnounceRequest, AnnounceResponse>& stream) {
    return [](std::atomic<int>& count,
              Bidi<AnnounceRequest, AnnounceResponse>& in) -> Awaitable<absl::Status> {
      struct Leave {
        std::atomic<int>& n;
        ~Leave() { ++n; }
      };
      const Leave guard{count};
      while (co_await in.Read()) {
      }
      co_return absl::OkStatus();
    }(left, stream);
  };
  auto channel = StartAndConnect();
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  auto drop = [](Runtime& runtime, SchedulerStub& to, int i) -> Awaitable<> {
    auto stream = OpenBidi(runtime.executor(), *to.async(), &SchedulerStub::async::AnnouncePeer);
    if (i % 3 == 1) co_await stream.Write(From("x"));
    if (i % 3 == 2) (void)co_await WithTimeout(stream.Read(), 1ms, "read");
  };
  for (int i = 0; i < 30; ++i) RunCoro(callers_, drop(callers_, *stub, i));
  EXPECT_TRUE(WaitFor([&] { return calls_->open() == 0; }));
}

using AnnounceStream = ClientBidi<AnnounceRequest, AnnounceResponse>;

Awaitable<> ReadToTheEnd(AnnounceStream& stream) {
  while (true) {
    const auto response = co_await stream.Read();
    if (!response.ok() || !response->has_value()) co_return;
  }
}

Awaitable<> HalfCloseAfter(AnnounceStream& stream, int turns) {
  const auto executor = co_await asio::this_coro::executor;
  for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
  co_await stream.WritesDone();
}

TEST_F(RpcTest, ABidiStreamMayBeHalfClosedWhileItsEndArrives) {
  scheduler_->announce =
      [](ServerCall&, Bidi<AnnounceRequest, AnnounceResponse>& stream) -> Awaitable<absl::Status> {
    stream.SendInitialMetadata();
    co_return absl::OkStatus();
  };
  auto channel = StartAndConnect();
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  auto talk = [](Runtime& runtime, SchedulerStub& to, int turns) -> Awaitable<> {
    auto stream = OpenBidi(runtime.executor(), *to.async(), &SchedulerStub::async::AnnouncePeer);
    TaskGroup group(runtime.executor());
    group.Spawn(ReadToTheEnd(stream));
    group.Spawn(HalfCloseAfter(stream, turns));
    co_await group.Drain();
  };
  // The end comes after some hundred turns; one of these meets it.
  for (int round = 0; round < 200; ++round) RunCoro(callers_, talk(callers_, *stub, 4 * round));
  EXPECT_TRUE(WaitFor([&] { return calls_->open() == 0; }));
}

/// Answers every message from the callback itself; a message "full" floods the queue.
class Echo final : public BidiObserver<PersistentRequest> {
 public:
  explicit Echo(std::shared_ptr<PersistentCall> call, std::promise<absl::Status>& closed)
      : call_(std::move(call)), closed_(closed) {}

  AfterMessage OnMessage(PersistentRequest& message) override {
    if (message.peer_id() == "fail") {
      call_->Finish(absl::NotFoundError("no such peer"));
      return AfterMessage::kReadNext;
    }
    if (message.peer_id() == "full") {
      PersistentResponse large;
      large.mutable_need_back_to_source_response()->set_description(std::string(1U << 20U, 'x'));
      while (call_->Send(large)) {
      }
      call_->Finish(absl::ResourceExhaustedError("too slow"));
      return AfterMessage::kPause;
    }
    PersistentResponse response;
    response.mutable_need_back_to_source_response()->set_description(message.peer_id());
    EXPECT_TRUE(call_->Send(std::move(response)));
    return AfterMessage::kReadNext;
  }
  void OnHalfClose() override { call_->Finish(absl::OkStatus()); }
  void OnClosed(const absl::Status& status) override { closed_.set_value(status); }

 private:
  std::shared_ptr<PersistentCall> call_;
  std::promise<absl::Status>& closed_;
};

Awaitable<std::string> ConverseByCallbacks(Runtime& runtime, std::shared_ptr<grpc::Channel> channel,
                                           std::vector<std::string> peers, bool half_close) {
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  auto stream = OpenBidi(runtime.executor(), *stub->async(),
                         &SchedulerStub::async::AnnouncePersistentPeer);
  std::string answers;
  for (const std::string& peer : peers) {
    PersistentRequest request;
    request.set_peer_id(peer);
    if (!co_await stream.Write(request)) break;
    auto response = co_await stream.Read();
    if (!response.ok()) co_return answers + std::string(response.status().message());
    const std::string& text = (*response)->need_back_to_source_response().description();
    answers += (text.size() > 100 ? "large" : text) + " ";
  }
  if (!half_close) co_return answers;
  co_await stream.WritesDone();
  while (true) {
    auto response = co_await stream.Read();
    if (!response.ok()) co_return answers + std::string(response.status().message());
    if (!response->has_value()) co_return answers + "end";
  }
}

class BidiCallTest : public RpcTest {
 protected:
  void SetUp() override {
    RpcTest::SetUp();
    scheduler_->observe = [this](std::shared_ptr<PersistentCall> call) {
      return std::make_shared<Echo>(std::move(call), closed_);
    };
  }
  absl::Status Closed() {
    auto future = closed_.get_future();
    if (future.wait_for(20s) != std::future_status::ready) return absl::UnknownError("not closed");
    return future.get();
  }
  std::promise<absl::Status> closed_;
};

TEST_F(BidiCallTest, FinishEndsTheCallAndIsReported) {
  auto channel = StartAndConnect();
  EXPECT_EQ(RunCoro(callers_, ConverseByCallbacks(callers_, channel, {"a", "fail"}, true)),
            "a no such peer");
  EXPECT_EQ(Closed(), absl::NotFoundError("no such peer"));
}

TEST_F(BidiCallTest, ClientThatLeavesClosesTheCallAsCancelled) {
  auto channel = StartAndConnect();
  EXPECT_EQ(RunCoro(callers_, ConverseByCallbacks(callers_, channel, {"a"}, false)), "a ");
  EXPECT_EQ(Closed().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(WaitFor([&] { return calls_->open() == 0; }));
}

TEST_F(BidiCallTest, HalfCloseIsTold) {
  auto channel = StartAndConnect();
  EXPECT_EQ(RunCoro(callers_, ConverseByCallbacks(callers_, channel, {"a", "b"}, true)),
            "a b end");
  EXPECT_EQ(Closed(), absl::OkStatus());
}

TEST_F(BidiCallTest, QueueIsBounded) {
  auto channel = StartAndConnect();
  EXPECT_EQ(RunCoro(callers_, ConverseByCallbacks(callers_, channel, {"full"}, true)),
            "large too slow");
  EXPECT_EQ(Closed(), absl::ResourceExhaustedError("too slow"));
}

TEST_F(BidiCallTest, DrainCancelsIt) {
  auto channel = StartAndConnect();
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  auto stream = OpenBidi(callers_.executor(), *stub->async(),
                         &SchedulerStub::async::AnnouncePersistentPeer);
  ASSERT_TRUE(WaitFor([&] { return calls_->open() == 1; }));
  RunCoro(callers_, server_->Drain(5ms));
  // gRPC cancels at the end of the grace.
  EXPECT_EQ(Closed().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace dragonfly::rpc
