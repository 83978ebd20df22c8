#include "dfdaemon/transfer/connection_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>

#include "dfdaemon/transfer/transfer_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::seconds;

const VortexAddress kParent{"10.0.0.1", 4005};
const VortexAddress kOther{"10.0.0.1", 4006};

class ConnectionPoolTest : public ::testing::Test {
 protected:
  struct Pair {
    std::unique_ptr<ParentConnection> connection;
    TcpStream::Socket parents_side;
  };

  Pair Connect() {
    TcpStream::Socket client(context_);
    client.connect(acceptor_.local_endpoint());
    TcpStream::Socket server = acceptor_.accept();
    return {std::make_unique<ParentConnection>(std::move(client)), std::move(server)};
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_,
                                    asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  const SteadyTime now_ = SteadyTime(std::chrono::hours(1));
};

TEST_F(ConnectionPoolTest, GivesBackTheOneUsedLast) {
  ConnectionPool pool({});
  Pair first = Connect();
  Pair second = Connect();
  const ParentConnection* latest = second.connection.get();
  pool.Put(kParent, std::move(first.connection), now_);
  pool.Put(kParent, std::move(second.connection), now_);
  EXPECT_EQ(pool.Take(kOther, now_), nullptr);
  EXPECT_EQ(pool.Take(kParent, now_).get(), latest);
  EXPECT_EQ(pool.size(), 1U);
}

TEST_F(ConnectionPoolTest, DoesNotGiveWhatTheParentClosed) {
  ConnectionPool pool({});
  Pair alive = Connect();
  Pair closed = Connect();
  const ParentConnection* usable = alive.connection.get();
  pool.Put(kParent, std::move(alive.connection), now_);
  pool.Put(kParent, std::move(closed.connection), now_);
  closed.parents_side.close();
  EXPECT_EQ(pool.Take(kParent, now_).get(), usable);
  EXPECT_EQ(pool.size(), 0U);
}

TEST_F(ConnectionPoolTest, DoesNotGiveWhereBytesWaitThatNobodyAskedFor) {
  ConnectionPool pool({});
  Pair pair = Connect();
  asio::write(pair.parents_side, asio::buffer("x", 1));
  pool.Put(kParent, std::move(pair.connection), now_);
  EXPECT_EQ(pool.Take(kParent, now_), nullptr);
}

TEST_F(ConnectionPoolTest, DoesNotGiveWhatWasIdleForTooLong) {
  ConnectionPool pool({.max_idle = seconds(30)});
  Pair pair = Connect();
  pool.Put(kParent, std::move(pair.connection), now_);
  EXPECT_EQ(pool.Take(kParent, now_ + seconds(30)), nullptr);
}

TEST_F(ConnectionPoolTest, SweepsOutWhatIsOldOrClosed) {
  ConnectionPool pool({.max_idle = seconds(30)});
  Pair old = Connect();
  Pair fresh = Connect();
  Pair closed = Connect();
  pool.Put(kParent, std::move(old.connection), now_);
  pool.Put(kParent, std::move(fresh.connection), now_ + seconds(20));
  pool.Put(kOther, std::move(closed.connection), now_ + seconds(20));
  closed.parents_side.close();
  pool.Sweep(now_ + seconds(31));
  EXPECT_EQ(pool.size(), 1U);
  EXPECT_NE(pool.Take(kParent, now_ + seconds(31)), nullptr);
}

TEST_F(ConnectionPoolTest, ClosesWhatIsAboveItsLimits) {
  ConnectionPool pool({.max_per_parent = 2, .max_total = 3});
  for (int i = 0; i < 3; ++i) pool.Put(kParent, Connect().connection, now_);
  EXPECT_EQ(pool.size(), 2U);
  for (int i = 0; i < 3; ++i) pool.Put(kOther, Connect().connection, now_);
  EXPECT_EQ(pool.size(), 3U);
}

TEST_F(ConnectionPoolTest, ForgetsOneParent) {
  ConnectionPool pool({});
  Pair one = Connect();
  Pair other = Connect();
  pool.Put(kParent, std::move(one.connection), now_);
  pool.Put(kOther, std::move(other.connection), now_);
  pool.Forget(kParent);
  EXPECT_EQ(pool.Take(kParent, now_), nullptr);
  EXPECT_NE(pool.Take(kOther, now_), nullptr);
}

TEST_F(ConnectionPoolTest, TakesNothingMoreOnceClosed) {
  ConnectionPool pool({});
  Pair pair = Connect();
  Pair late = Connect();
  pool.Put(kParent, std::move(pair.connection), now_);
  pool.Close();
  pool.Put(kParent, std::move(late.connection), now_);
  EXPECT_EQ(pool.size(), 0U);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
