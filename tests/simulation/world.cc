#include "tests/simulation/world.h"

#include <algorithm>
#include <cmath>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace dragonfly::simulation {
namespace {

constexpr double kBits = 8;
constexpr auto kNoiseEvery = std::chrono::seconds(1);
constexpr auto kSampleEvery = std::chrono::milliseconds(50);
constexpr std::uint32_t kMostStreams = 64;
// So many bounds, and it counts as never.
constexpr double kPatience = 20;

Duration Seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

/// Where the scheduler's answers for one download go.
class World::Channel final : public scheduler::PeerChannel {
 public:
  Channel(World& world, std::uint32_t download) : world_(world), download_(download) {}

  bool SendEmptyTask() override { return Say({}); }
  bool SendMetadataOnly() override { return Say({}); }
  bool SendParents(const scheduler::Peer&,
                   std::span<const scheduler::ParentFinder::Candidate> parents) override {
    Answer answer;
    for (const auto& parent : parents) {
      answer.parents.push_back(
          static_cast<std::uint32_t>(std::stoul(parent.peer->id().str().substr(1))));
    }
    return Say(std::move(answer));
  }
  bool SendBackToSource(std::string_view) override { return Say({true, {}}); }
  void Settled(absl::Status) override {}

 private:
  bool Say(Answer answer) {
    if (world_.nodes_[world_.downloads_[download_].node].dead) return false;
    world_.answers_.push_back(std::move(answer));
    world_.Later(EventKind::kAnswer, download_, 0, world_.answers_.size() - 1);
    return true;
  }

  World& world_;
  const std::uint32_t download_;
};

World::World(const Scenario& scenario)
    : scenario_(scenario),
      piece_bytes_(static_cast<double>(scenario.piece_mib * kMiB)),
      pieces_((scenario.mib + scenario.piece_mib - 1) / scenario.piece_mib),
      delay_(Seconds(scenario.delay)),
      random_(scenario.seed),
      evaluator_(*scheduler::MakeEvaluator(scenario.evaluator)),
      seed_sent_(std::size_t{pieces_} * scenario.layers) {
  scheduler::Dispatcher::Options options;
  options.algorithm = scenario.evaluator;
  dispatcher_ = std::make_unique<scheduler::Dispatcher>(
      options,
      scheduler::Dispatcher::Collaborators{hosts_, *this, *evaluator_, config_, metrics_, Logger()},
      Random(scenario.seed + 1));
  AddNodes();
}

World::~World() = default;

HostId World::HostOf(std::uint32_t node) const { return HostId(StrCat("h", node)); }

scheduler::PeerKey World::KeyOf(std::uint32_t download) const {
  const Download& self = downloads_[download];
  return {HostOf(self.node), TaskId(StrCat("t", self.layer)), PeerId(StrCat("p", download))};
}

void World::AddNodes() {
  const std::uint32_t count = scenario_.peers + 1;  // The seed is number 0.
  const double bytes = scenario_.rate / kBits;
  nodes_.reserve(count);
  for (std::uint32_t number = 0; number < count; ++number) {
    Node& node = nodes_.emplace_back(kMostStreams);
    const bool slow = number > 0 && random_.Unit() < scenario_.slow;
    node.up.nominal = node.up.capacity = slow ? bytes / 10 : bytes;
    node.down.nominal = node.down.capacity = bytes;
    node.up.settled = node.down.settled = start_;
    if (scenario_.thin_rate > 0) node.idc = number % 2;
    scheduler::HostInfo info;
    info.id = HostOf(number);
    info.type = number == 0 ? scheduler::HostType::kSuper : scheduler::HostType::kNormal;
    info.hostname = info.id.str();
    info.ip = "10.0.0.1";
    info.port = 4000;
    info.max_tx_bandwidth = static_cast<std::uint64_t>(node.up.nominal * kBits);
    info.trades = true;
    if (scenario_.thin_rate > 0) info.idc = node.idc == 0 ? "east" : "west";
    // Slow because something else keeps it busy.
    info.load.cpu_percent = slow ? 95 : 20;
    hosts_.Announce(std::move(info), now_);
    if (number > 0 && random_.Unit() < scenario_.dying) {
      At(start_ + Seconds(Bound(scenario_) * random_.Unit()), EventKind::kDie, number);
    }
    if (scenario_.noise > 0) {
      At(start_ + Seconds(random_.Unit() * ToSeconds(kNoiseEvery)), EventKind::kNoise, number);
    }
  }
  origin_.nominal = origin_.capacity =
      (scenario_.origin_rate > 0 ? scenario_.origin_rate : 10 * scenario_.rate) / kBits;
  for (Link& trunk : trunk_) trunk.nominal = trunk.capacity = scenario_.thin_rate / kBits;
  downloads_.reserve(std::size_t{count} * scenario_.layers);
  for (std::uint32_t layer = 0; layer < scenario_.layers; ++layer) {
    for (std::uint32_t number = 0; number < count; ++number) {
      Download& download = downloads_.emplace_back(pieces_);
      download.node = number;
      download.layer = layer;
      download.last_progress = start_;
      download.refresh = std::chrono::milliseconds(200);
      download.picker.Want(0, pieces_);
    }
  }
  if (scenario_.seed_dies) At(start_ + Seconds(Bound(scenario_) / 2), EventKind::kDie, 0);
  for (std::uint32_t number = 0; number < count; ++number) {
    if (number > 0) ++open_;
    const Duration after =
        number == 0 ? Duration{0} : 2 * delay_ + Seconds(random_.Unit() * scenario_.spread);
    At(start_ + after, EventKind::kRegister, number);
  }
  deadline_ = start_ + Seconds(scenario_.spread + kPatience * Bound(scenario_) + 60);
  At(start_ + kSampleEvery, EventKind::kSample, 0);
}

void World::At(SteadyTime at, EventKind kind, std::uint32_t a, std::uint32_t b, std::uint64_t id) {
  events_.push({at, ++order_, kind, a, b, id});
}

Result World::Run() {
  while (!events_.empty() && open_ > 0) {
    const Event event = events_.top();
    events_.pop();
    if (event.at > deadline_) break;
    now_ = event.at;
    ++handled_;
    Handle(event);
  }
  return Results();
}

void World::Handle(const Event& event) {
  switch (event.kind) {
    case EventKind::kRegister:
      BeginLayers(event.a);
      break;
    case EventKind::kAnswer:
      AnswerReached(event.a, std::exchange(answers_[event.id], {}));
      break;
    case EventKind::kSubscribe:
      Subscribed(event.a, event.b);
      break;
    case EventKind::kOffers:
      Offers(event.a, event.b);
      break;
    case EventKind::kOffer:
      Offer(event.a, event.b, static_cast<PieceNumber>(event.id));
      break;
    case EventKind::kStreamEnd:
      StreamEnded(event.a, event.b);
      break;
    case EventKind::kAsk:
      AskReached(event.id);
      break;
    case EventKind::kStop:
      StopReached(event.id);
      break;
    case EventKind::kFirstByte:
      FirstByte(event.id);
      break;
    case EventKind::kSent:
      Sent(event.id, event.a);
      break;
    case EventKind::kArrived:
      Arrived(event.id);
      break;
    case EventKind::kFailed:
      AskFailed(event.id);
      break;
    case EventKind::kAdmit:
      if (nodes_[event.a].next_admit == now_) {
        nodes_[event.a].next_admit = SteadyTime::max();
        Admit(event.a);
      }
      break;
    case EventKind::kStep:
      Step(event.a);
      break;
    case EventKind::kTick:
      if (downloads_[event.a].tick == now_) Step(event.a);
      break;
    case EventKind::kCatchUp:
      if (Find(event.id) != nullptr) Rerate(static_cast<std::uint32_t>(event.id));
      break;
    case EventKind::kNoise: {
      Node& node = nodes_[event.a];
      for (Link* const link : {&node.up, &node.down}) {
        link == &node.up ? SettleUp(node) : SettleDown(node);
        link->capacity = link->nominal * (1 + scenario_.noise * (2 * random_.Unit() - 1));
      }
      RerateNode(node);
      At(now_ + kNoiseEvery, EventKind::kNoise, event.a);
      break;
    }
    case EventKind::kDie:
      Die(event.a);
      break;
    case EventKind::kScheduler:
      if (next_scheduler_ == now_) {
        next_scheduler_ = SteadyTime::max();
        dispatcher_->Advance(now_);
      }
      break;
    case EventKind::kSample:
      SampleIdle();
      At(now_ + kSampleEvery, EventKind::kSample, 0);
      break;
  }
  PlanScheduler();
}

void World::PlanScheduler() {
  const auto next = dispatcher_->NextDeadline();
  if (!next || *next >= next_scheduler_) return;
  next_scheduler_ = std::max(*next, now_);
  At(next_scheduler_, EventKind::kScheduler, 0);
}

void World::BeginLayers(std::uint32_t node) {
  if (nodes_[node].dead) return;
  std::uint32_t running = 0;
  for (std::uint32_t layer = 0; layer < nodes_[node].layers_begun; ++layer) {
    const Download& download = downloads_[layer * nodes_.size() + node];
    running += download.done || download.failed ? 0 : 1;
  }
  const std::uint32_t at_once = node == 0 ? 1 : scenario_.layers_at_once;
  while (running < at_once && nodes_[node].layers_begun < scenario_.layers) {
    ++running;
    Register(static_cast<std::uint32_t>(nodes_[node].layers_begun++ * nodes_.size() + node));
  }
}

void World::Register(std::uint32_t download) {
  Download& self = downloads_[download];
  self.registered = self.asked = true;
  scheduler::Registration registration;
  registration.task.url = "https://example.com/f";
  registration.task.piece_length = static_cast<std::uint64_t>(piece_bytes_);
  registration.task.content_length =
      static_cast<std::int64_t>(registration.task.piece_length) * pieces_;
  registration.task.piece_count = pieces_;
  registration.peer.id = KeyOf(download).peer_id;
  registration.download = "download";
  registration.need_back_to_source = self.node == 0;
  dispatcher_->Register(KeyOf(download), std::move(registration),
                        std::make_shared<Channel>(*this, download), now_);
}

void World::Reschedule(std::uint32_t download, const std::vector<std::uint32_t>& parents) {
  std::vector<PeerId> ids;
  for (const std::uint32_t parent : parents) ids.push_back(KeyOf(parent).peer_id);
  dispatcher_->Reschedule(KeyOf(download), ids, std::make_shared<Channel>(*this, download), now_);
}

void World::Report(const Ask& ask) {
  const scheduler::PeerKey key = KeyOf(ask.child);
  scheduler::PieceReport report;
  report.number = ask.piece;
  report.length = static_cast<std::uint64_t>(piece_bytes_);
  report.offset = report.length * ask.piece;
  report.cost = now_ - ask.began;
  if (ask.parent == kOrigin) {
    report.traffic = TrafficType::kBackToSource;
    (void)dispatcher_->PieceFromSourceFinished(key, report, now_);
    return;
  }
  report.parent_id = StrCat("p", ask.parent);
  (void)dispatcher_->PieceFinished(key, report, downloads_[ask.child].memo, now_);
}

void World::Die(std::uint32_t node) {
  if (nodes_[node].dead) return;
  nodes_[node].dead = true;
  bool had_all = true;
  for (std::uint32_t layer = 0; layer < scenario_.layers; ++layer) {
    const auto number = static_cast<std::uint32_t>(layer * nodes_.size() + node);
    Download& download = downloads_[number];
    had_all = had_all && download.done;
    if (!download.registered) continue;
    for (const Job& job : std::vector<Job>(download.jobs)) {
      for (const AskId id : job.asks) Stop(id);
    }
    download.jobs.clear();
    download.failed = !download.done;
    dispatcher_->Disconnected(KeyOf(number), now_);
    for (const std::uint32_t child : download.children) Later(EventKind::kStreamEnd, child, number);
    download.children.clear();
  }
  for (std::uint32_t place = 0; place < asks_.size(); ++place) {
    const Ask& ask = asks_[place];
    const bool ours = ask.used && ask.parent != kOrigin && downloads_[ask.parent].node == node;
    if (!ours || (!ask.queued && !ask.flowing)) continue;
    const AskId id = IdOf(place);
    Break(id);
    if (!Find(id)->stopping) Later(EventKind::kFailed, 0, 0, id);
  }
  if (const auto host = hosts_.Remove(HostOf(node))) dispatcher_->HostLeft(*host, now_);
  if (node > 0 && !had_all) --open_;
}

void World::SampleIdle() {
  for (const Download& self : downloads_) {
    const Node& node = nodes_[self.node];
    if (!self.registered || node.dead || self.children.empty()) continue;
    ++samples_;
    if (!node.up.flows.empty()) continue;
    const bool wanted = std::ranges::any_of(self.children, [&](std::uint32_t child) {
      const Download& other = downloads_[child];
      if (other.done || nodes_[other.node].down.flows.empty() == false) return false;
      for (std::size_t i = 0; i < self.have.size(); ++i) {
        if ((self.have[i] & ~other.have[i]) != 0) return true;
      }
      return false;
    });
    if (wanted) ++idle_samples_;
  }
}

Result World::Results() const {
  Result result;
  result.bound = Bound(scenario_);
  result.events = handled_;
  std::vector<double> ended;
  const std::size_t count = nodes_.size();
  for (std::size_t node = 1; node < count; ++node) {
    SteadyTime last = start_;
    bool all = true;
    for (std::size_t layer = 0; layer < scenario_.layers; ++layer) {
      const Download& download = downloads_[layer * count + node];
      all = all && download.done;
      last = std::max(last, download.ended);
    }
    if (all) {
      ended.push_back(ToSeconds(last - start_));
    } else {
      ++(nodes_[node].dead ? result.died : result.unfinished);
    }
  }
  result.finished = static_cast<std::uint32_t>(ended.size());
  std::ranges::sort(ended);
  const auto part = [&](double share) {
    if (ended.empty()) return 0.0;
    const double place = std::ceil(share * static_cast<double>(ended.size())) - 1;
    return ended[static_cast<std::size_t>(std::max(place, 0.0))];
  };
  result.p50 = part(0.5);
  result.p99 = part(0.99);
  result.p999 = part(0.999);
  result.last = part(1);
  const double content = piece_bytes_ * pieces_ * scenario_.layers;
  result.origin_copies = origin_bytes_ / content;
  result.idle_wanted = static_cast<double>(idle_samples_) /
                       static_cast<double>(std::max<std::uint64_t>(samples_, 1));
  result.seed_distinct_out = ToSeconds(seed_distinct_ - start_);
  result.wasted = wasted_ / (content * scenario_.peers);
  return result;
}

Result Simulate(const Scenario& scenario) { return World(scenario).Run(); }

}  // namespace dragonfly::simulation
