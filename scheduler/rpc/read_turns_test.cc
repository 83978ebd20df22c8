#include "scheduler/rpc/read_turns.h"

#include <vector>

#include <gtest/gtest.h>

#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"

namespace dragonfly::scheduler {
namespace {

class FakeReader final : public ReadTurns::Reader {
 public:
  void Resume(int reports) override { resumed += reports; }
  int resumed = 0;
};

class ReadTurnsTest : public ::testing::Test {
 protected:
  ~ReadTurnsTest() override {
    turns_->Stop();
    loop_.Poll();
  }
  /// Readers that ask for the longest turn; how many need not wait.
  int Ask(int count) {
    int at_once = 0;
    for (int i = 0; i < count; ++i) {
      readers_.push_back(std::make_shared<FakeReader>());
      if (turns_->Take(readers_.back(), ReadTurns::kMost)) ++at_once;
    }
    return at_once;
  }
  [[nodiscard]] int Resumed() const {
    int resumed = 0;
    for (const auto& reader : readers_) resumed += reader->resumed > 0 ? 1 : 0;
    return resumed;
  }

  TestLoop loop_;
  std::shared_ptr<ReadTurns> turns_ = std::make_shared<ReadTurns>(loop_.executor(), 1);
  std::vector<std::shared_ptr<FakeReader>> readers_;
};

TEST_F(ReadTurnsTest, NobodyWaitsWhileNobodyRegisters) { EXPECT_EQ(Ask(1000), 1000); }

TEST_F(ReadTurnsTest, WhileSomebodyRegistersReportsWaitAndComeInTheirOrder) {
  turns_->Registration();
  const int at_once = Ask(1000);
  EXPECT_LT(at_once, 1000);
  EXPECT_GE(at_once, ReadTurns::kReportsPerCore / ReadTurns::kMost);
  EXPECT_EQ(Resumed(), 0);
  bool in_order = true;
  EXPECT_TRUE(loop_.Run(CoWaitFor([&] {
    // Nobody is passed by.
    bool waits = false;
    for (std::size_t i = static_cast<std::size_t>(at_once); i < readers_.size(); ++i) {
      const bool resumed = readers_[i]->resumed > 0;
      in_order = in_order && !(waits && resumed);
      waits = waits || !resumed;
    }
    return Resumed() == 1000 - at_once;
  })));
  EXPECT_TRUE(in_order);
  for (const auto& reader : readers_) EXPECT_LE(reader->resumed, ReadTurns::kMost);
}

TEST_F(ReadTurnsTest, AfterTheLastRegistrationAllOfThemReadOn) {
  turns_->Registration();
  // More than there would be turns for within a second.
  const int at_once = Ask(100'000);
  EXPECT_TRUE(loop_.Run(CoWaitFor([&] { return Resumed() == 100'000 - at_once; },
                                  std::chrono::seconds(10))));
}

TEST_F(ReadTurnsTest, NobodyIsResumedAfterTheStop) {
  turns_->Registration();
  Ask(1000);
  turns_->Stop();
  while (loop_.Poll()) {
  }
  EXPECT_EQ(Resumed(), 0);
}

}  // namespace
}  // namespace dragonfly::scheduler
