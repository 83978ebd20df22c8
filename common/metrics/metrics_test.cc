#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/metrics/exposition.h"
#include "common/metrics/labeled.h"

namespace dragonfly {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricsPageTest, WritesFamiliesSortedByNameWithHelpAndType) {
  MetricsPage page;
  AddGauge(page.registry(), "dragonfly_b", "The second.").Set(3);
  AddCounter(page.registry(), "dragonfly_a_total", "The first.").Increment(2);
  const std::string text = page.Render();
  EXPECT_THAT(text, HasSubstr("# HELP dragonfly_a_total The first.\n"
                              "# TYPE dragonfly_a_total counter\n"
                              "dragonfly_a_total 2\n"
                              "# HELP dragonfly_b The second.\n"
                              "# TYPE dragonfly_b gauge\n"
                              "dragonfly_b 3\n"));
}

TEST(MetricsPageTest, LeavesOutFamiliesWithoutMetrics) {
  MetricsPage page;
  LabeledCounter<1> unused(page.registry(), "dragonfly_unused_total", "Nobody.", {"type"});
  EXPECT_THAT(page.Render(), Not(HasSubstr("dragonfly_unused_total")));
}

TEST(MetricsPageTest, KnowsTheProcess) {
  const std::string text = MetricsPage().Render();
  for (const char* name :
       {"process_cpu_seconds_total ", "process_open_fds ", "process_max_fds ",
        "process_resident_memory_bytes ", "process_virtual_memory_bytes ",
        "process_virtual_memory_max_bytes ", "process_start_time_seconds ", "process_threads "}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + name));
  }
  EXPECT_THAT(text, Not(HasSubstr("\nprocess_resident_memory_bytes 0\n")));
}

TEST(LabeledTest, GivesOneMetricPerSetOfValues) {
  prometheus::Registry registry;
  LabeledCounter<2> counter(registry, "c_total", "Help.", {"type", "code"});
  counter.With("a", "1").Increment();
  counter.With(std::string("a"), "1").Increment();
  EXPECT_EQ(counter.With("a", "1").Value(), 2);
  // Values must not run together.
  EXPECT_EQ(counter.With("a1", "").Value(), 0);
}

TEST(LabeledTest, CountsWhatIsBeyondTheLimitAsOther) {
  prometheus::Registry registry;
  LabeledCounter<1> counter(registry, "c_total", "Help.", {"url"});
  for (std::size_t i = 0; i < LabeledCounter<1>::kMaxSets + 10; ++i) {
    counter.With(std::to_string(i)).Increment();
  }
  EXPECT_EQ(counter.With("never seen").Value(), 10);
  EXPECT_EQ(counter.With("0").Value(), 1);
}

TEST(LabeledTest, MaySafelyBeUsedByManyThreads) {
  prometheus::Registry registry;
  LabeledHistogram<1> histogram(registry, "h", "Help.", {"type"}, {1, 2});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&histogram, i] {
      for (int n = 0; n < 500; ++n) histogram.With(std::to_string((i + n) % 7)).Observe(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::uint64_t seen = 0;
  for (const auto& family : registry.Collect()) {
    for (const auto& metric : family.metric) seen += metric.histogram.sample_count;
  }
  EXPECT_EQ(seen, 2000U);
}

}  // namespace
}  // namespace dragonfly
