#include "tests/bench/scheduler/crowd.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

namespace dragonfly::bench {
namespace {

float Millis(SteadyClock::duration duration) {
  return std::chrono::duration<float, std::milli>(duration).count();
}

}  // namespace

Crowd::Crowd(Client& client, const Options& options)
    : client_(client), options_(options), peers_(FreshPeerNumbers()) {
  for (std::size_t i = 0; i < options_.at_once; ++i) {
    Conversation::Hooks hooks;
    hooks.answered = [this](Conversation& conversation) {
      latencies_.push_back(Millis(conversation.latency()));
    };
    hooks.ended = [this](Conversation& conversation) { Ended(conversation); };
    all_.push_back(std::make_unique<Conversation>(client_, std::move(hooks)));
  }
}

void Crowd::PrepareTasks() {
  Conversation::Plan plan;
  plan.from_source = true;
  for (std::size_t task = 0; task < options_.tasks; ++task) {
    for (std::size_t copy = 0; copy < 3; ++copy) {
      bool over = false;
      Conversation::Hooks hooks;
      hooks.ended = [&over](Conversation&) { over = true; };
      Conversation conversation(client_, std::move(hooks));
      conversation.Begin(copy, task, peers_++, plan);
      client_.Run([&over] { return over; });
      if (!conversation.status().ok()) Die(conversation.status().error_message());
    }
  }
}

void Crowd::Start() {
  for (const auto& conversation : all_) BeginNext(*conversation);
}

void Crowd::BeginNext(Conversation& conversation) {
  ++open_;
  const std::uint64_t peer = peers_++;
  conversation.Begin(kParentHosts + random_() % (options_.hosts - kParentHosts),
                     peer % options_.tasks, peer, options_.plan);
}

void Crowd::Ended(Conversation& conversation) {
  --open_;
  ++ended_;
  if (!conversation.status().ok()) Die(conversation.status().error_message());
  if (conversation.parents() == 0) Die("a peer got no parents");
  if (!stopping_) BeginNext(conversation);
}

std::vector<float> Crowd::TakeLatencies() {
  std::vector<float> taken;
  taken.swap(latencies_);
  std::ranges::sort(taken);
  return taken;
}

double CpuSeconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double Quantile(const std::vector<float>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(q * static_cast<double>(sorted.size()));
  return static_cast<double>(sorted[std::min(index, sorted.size() - 1)]);
}

std::uint64_t FreshPeerNumbers() {
  return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

}  // namespace dragonfly::bench
