#include "dfdaemon/transfer/upload_turns.h"

#include <sys/socket.h>

#include <chrono>
#include <optional>

#include <gtest/gtest.h>

#include "common/async/runtime.h"
#include "common/async/task_group.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"
#include "dfdaemon/transfer/transfer_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::uint64_t kPiece = 4 * kMiB;

/// A connected pair: the server's end as a stream, the peer's as a raw socket.
class UploadTurnsTest : public ::testing::Test {
 protected:
  UploadTurnsTest() {
    asio::ip::tcp::acceptor acceptor(runtime_.executor(), {asio::ip::address_v4::loopback(), 0});
    peer_.emplace(RawSocket::Connect(acceptor.local_endpoint().port()));
    stream_ = std::make_unique<TcpStream>(acceptor.accept());
  }
  ~UploadTurnsTest() override {
    RunCoro(runtime_, group_.Stop());
    stream_.reset();
  }

  static Awaitable<> WaitInto(UploadTurns& turns, TcpStream& stream,
                              std::optional<absl::Status>& ended) {
    auto turn = co_await turns.Wait(stream, 2, kPiece, false);
    ended = turn.status();
  }
  static Awaitable<absl::StatusOr<UploadTurns::Turn>> First(UploadTurns& turns, TcpStream& stream) {
    return turns.Wait(stream, 1, kPiece, false);
  }

  Runtime runtime_{"turns", 1};
  UploadTurns turns_;
  std::optional<RawSocket> peer_;
  std::unique_ptr<TcpStream> stream_;
  TaskGroup group_{runtime_.executor()};
  std::optional<absl::Status> ended_;
};

TEST_F(UploadTurnsTest, TheNextIsWokenWhenATurnEnds) {
  std::optional<UploadTurns::Turn> first;
  {
    auto turn = RunCoro(runtime_, First(turns_, *stream_));
    ASSERT_TRUE(turn.ok());
    first.emplace(*std::move(turn));
  }
  group_.Spawn(WaitInto(turns_, *stream_, ended_));
  ASSERT_TRUE(WaitFor([&] { return turns_.waiting() == 1; }));
  EXPECT_EQ(turns_.active(), 1U);
  first.reset();
  ASSERT_TRUE(WaitFor([&] { return group_.running() == 0; }));
  EXPECT_THAT(*ended_, IsOk());
  EXPECT_EQ(turns_.active(), 0U);
}

TEST_F(UploadTurnsTest, APeerThatResetsTheConnectionLeavesTheQueue) {
  auto first = RunCoro(runtime_, First(turns_, *stream_));
  ASSERT_TRUE(first.ok());
  group_.Spawn(WaitInto(turns_, *stream_, ended_));
  ASSERT_TRUE(WaitFor([&] { return turns_.waiting() == 1; }));
  constexpr linger kAtOnce{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(peer_->fd(), SOL_SOCKET, SO_LINGER, &kAtOnce, sizeof(kAtOnce)), 0);
  peer_->Close();
  ASSERT_TRUE(WaitFor([&] { return group_.running() == 0; }));
  EXPECT_TRUE(absl::IsUnavailable(*ended_)) << *ended_;
  EXPECT_EQ(turns_.waiting(), 0U);
}

TEST_F(UploadTurnsTest, APeerThatOnlyClosedItsSideStillGetsItsTurn) {
  std::optional<UploadTurns::Turn> first;
  {
    auto turn = RunCoro(runtime_, First(turns_, *stream_));
    ASSERT_TRUE(turn.ok());
    first.emplace(*std::move(turn));
  }
  ASSERT_EQ(::shutdown(peer_->fd(), SHUT_WR), 0);
  group_.Spawn(WaitInto(turns_, *stream_, ended_));
  ASSERT_TRUE(WaitFor([&] { return turns_.waiting() == 1; }));
  first.reset();
  ASSERT_TRUE(WaitFor([&] { return group_.running() == 0; }));
  EXPECT_THAT(*ended_, IsOk());
}

TEST_F(UploadTurnsTest, AWaitThatIsCancelledLeavesTheQueue) {
  auto first = RunCoro(runtime_, First(turns_, *stream_));
  ASSERT_TRUE(first.ok());
  group_.Spawn(WaitInto(turns_, *stream_, ended_));
  ASSERT_TRUE(WaitFor([&] { return turns_.waiting() == 1; }));
  RunCoro(runtime_, group_.Stop());
  EXPECT_EQ(turns_.waiting(), 0U);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
