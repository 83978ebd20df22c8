#include "dfdaemon/pacing/upload_queue.h"

#include <algorithm>
#include <chrono>

namespace dragonfly::dfdaemon {
namespace {

constexpr auto kLongestWait = std::chrono::seconds(10);
constexpr auto kAgeEvery = std::chrono::seconds(60);
constexpr std::uint8_t kMostSent = 250;

}  // namespace

void UploadQueue::Age(SteadyTime now) {
  if (now - aged_ < kAgeEvery) return;
  aged_ = now;
  for (std::uint8_t& count : sent_) count /= 2;
}

UploadQueue::Ticket UploadQueue::Enter(SteadyTime now, std::uint64_t piece, std::uint64_t length,
                                       bool coming) {
  const Ticket ticket = ++last_ticket_;
  waiting_.push_back({ticket, piece, length, now, coming});
  states_[ticket] = State::kWaiting;
  return ticket;
}

void UploadQueue::Whole(Ticket ticket) {
  absl::erase_if(passed_on_, [&](const auto& entry) { return entry.second == ticket; });
}

void UploadQueue::Leave(SteadyTime now, Ticket ticket) {
  Whole(ticket);
  const auto found = states_.find(ticket);
  if (found == states_.end()) return;
  if (found->second == State::kActive) limit_.Ended(now);
  if (found->second == State::kWaiting) {
    std::erase_if(waiting_, [&](const Waiter& waiter) { return waiter.ticket == ticket; });
  }
  states_.erase(found);
}

std::list<UploadQueue::Waiter>::iterator UploadQueue::First(SteadyTime now) {
  const auto oldest = waiting_.begin();
  if (oldest == waiting_.end() || now - oldest->since >= kLongestWait) return oldest;
  auto first = waiting_.end();
  for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
    if (at->coming && passed_on_.contains(at->piece)) continue;
    if (first == waiting_.end() || sent(at->piece) < sent(first->piece)) first = at;
  }
  return first;
}

void UploadQueue::Admit(SteadyTime now, std::vector<Ticket>& turns) {
  Age(now);
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->length > kUncountedLength) {
      ++at;
      continue;
    }
    states_[at->ticket] = State::kUncounted;
    turns.push_back(at->ticket);
    at = waiting_.erase(at);
  }
  while (!waiting_.empty()) {
    const auto first = First(now);
    if (first == waiting_.end() || !limit_.MayBegin(now, first->length)) return;
    std::uint8_t& count = sent(first->piece);
    count = static_cast<std::uint8_t>(std::min<int>(count + 1, kMostSent));
    limit_.Began(now);
    states_[first->ticket] = State::kActive;
    if (first->coming) passed_on_.try_emplace(first->piece, first->ticket);
    turns.push_back(first->ticket);
    waiting_.erase(first);
  }
}

}  // namespace dragonfly::dfdaemon
