#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "dfdaemon/pacing/stream_limit.h"
#include "dfdaemon/pacing/upload_queue.h"
#include "dfdaemon/parents/blocklist.h"
#include "dfdaemon/parents/parent_set.h"
#include "dfdaemon/piece/piece_picker.h"
#include "dfdaemon/task/next_step.h"
#include "scheduler/selection/dispatcher.h"
#include "tests/simulation/scenario.h"

namespace dragonfly::simulation {

using dfdaemon::ParentMask;
using dfdaemon::ParentSlot;

enum class EventKind : std::uint8_t {
  kRegister,   ///< A download begins.
  kAnswer,     ///< The scheduler's answer reaches it.
  kSubscribe,  ///< SyncPieces reaches a parent.
  kOffers,     ///< Its first answer reaches the child.
  kOffer,      ///< One more piece.
  kStreamEnd,  ///< The parent offers no more.
  kAsk,        ///< A request reaches a parent.
  kStop,       ///< The child does not want it any more.
  kFirstByte,
  kSent,  ///< The last byte left the parent.
  kArrived,
  kFailed,   ///< The child learns that nothing comes.
  kAdmit,    ///< The upload queue looks again.
  kStep,     ///< Something changed for a download.
  kTick,     ///< Nothing changed, but time passed.
  kCatchUp,  ///< A piece that is passed on is no longer behind.
  kNoise,
  kDie,
  kScheduler,
  kSample,
};

struct Event {
  SteadyTime at;
  std::uint64_t order = 0;
  EventKind kind{};
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::uint64_t id = 0;
  friend bool operator<(const Event& x, const Event& y) {  // The earliest is the greatest.
    return x.at != y.at ? x.at > y.at : x.order > y.order;
  }
};

/// A request of a child for one piece, and its transfer.
struct Ask {
  std::uint32_t generation = 0;
  bool used = false;
  std::uint32_t child = 0;   ///< Download.
  std::uint32_t parent = 0;  ///< Download, or kOrigin.
  ParentSlot slot = 0;
  PieceNumber piece = 0;
  SteadyTime since, began;
  bool stopping = false;  ///< The child has forgotten it.
  bool queued = false;
  bool flowing = false;
  bool coming = false;  ///< The parent does not have the whole piece yet.
  bool not_found = false;
  dfdaemon::UploadQueue::Ticket ticket = 0;
  double sent = 0;  ///< Bytes at `settled`.
  double rate = 0;
  SteadyTime settled;
  SteadyTime catch_up;        ///< Looked at again then.
  std::uint64_t planned = 0;  ///< The kSent that counts.
};
using AskId = std::uint64_t;

struct Link {
  double capacity = 0;  ///< Bytes per second.
  double nominal = 0;
  double rate = 0;  ///< Of all flows.
  SteadyTime settled;
  std::vector<std::uint32_t> flows;  ///< Places of asks.
};

struct Node {
  explicit Node(std::uint32_t max) : upload({.max = max}), downlink({.max = max}) {}

  Link up, down;
  dfdaemon::UploadQueue upload;
  dfdaemon::StreamLimit downlink;
  dfdaemon::ParentBlocklist blocklist;
  std::vector<std::pair<dfdaemon::UploadQueue::Ticket, AskId>> tickets;
  SteadyTime next_admit = SteadyTime::max();
  std::uint32_t idc = 0;
  bool dead = false;
  SteadyTime load_at;
  double load = 0;  ///< Bits per second, as SyncHost last told.
  std::uint32_t layers_begun = 0;
};

struct Job {
  PieceNumber piece = 0;
  std::vector<AskId> asks;
  std::optional<AskId> sender;
};

struct Parent {
  std::uint32_t download = 0;
  std::uint32_t asks = 0;
  std::uint32_t failures = 0;
  bool streams = false;
  SteadyTime heard;  ///< When it last offered something.
};

/// One task on one node: what dfdaemon/task/round.h does.
struct Download {
  explicit Download(PieceNumber pieces)
      : picker(pieces), coming(pieces, 0), have((pieces + 63) / 64) {}

  std::uint32_t node = 0;
  std::uint32_t layer = 0;
  bool registered = false, done = false, failed = false;
  bool source = false, source_granted = false, asked = false, refreshing = false;
  bool contended = false, step_planned = false;
  dfdaemon::PiecePicker picker;
  dfdaemon::ParentSet set;
  std::vector<Parent> parents;  ///< By slot.
  ParentMask alive, asked_of;
  std::vector<Job> jobs;
  std::vector<AskId> coming;  ///< By piece; 0: not.
  std::vector<std::uint64_t> have;
  std::vector<std::uint32_t> children;  ///< Who listens to its SyncPieces.
  std::vector<std::uint32_t> used, retired;
  std::uint32_t fruitless = 0;
  SteadyTime tick = SteadyTime::max(), next_refresh = SteadyTime::max(), watch_at;
  SteadyTime last_progress, ended;
  Duration refresh{};
  scheduler::ReportMemo memo;
};

class World final : private scheduler::SeedTrigger {
 public:
  explicit World(const Scenario& scenario);
  ~World() override;
  Result Run();

 private:
  class Channel;
  struct Answer {
    bool source = false;
    std::vector<std::uint32_t> parents;
  };
  static constexpr std::uint32_t kOrigin = UINT32_MAX;

  [[nodiscard]] bool HasAvailable() const override { return !nodes_[0].dead; }
  void Trigger(scheduler::SeedRequest) override {}

  // world.cc: time, the scheduler's side, what happens to hosts.
  void At(SteadyTime at, EventKind kind, std::uint32_t a, std::uint32_t b = 0,
          std::uint64_t id = 0);
  void Later(EventKind kind, std::uint32_t a, std::uint32_t b = 0, std::uint64_t id = 0) {
    At(now_ + delay_, kind, a, b, id);
  }
  void Handle(const Event& event);
  void AddNodes();
  void BeginLayers(std::uint32_t node);
  void Register(std::uint32_t download);
  void Reschedule(std::uint32_t download, const std::vector<std::uint32_t>& parents);
  void PlanScheduler();
  void Noise();
  void Die(std::uint32_t node);
  void SampleIdle();
  [[nodiscard]] scheduler::PeerKey KeyOf(std::uint32_t download) const;
  void Report(const Ask& ask);
  [[nodiscard]] Result Results() const;

  // links.cc: asks as parents see them, and bytes.
  AskId NewAsk();
  [[nodiscard]] Ask* Find(AskId id);
  void Free(AskId id);
  [[nodiscard]] AskId IdOf(std::uint32_t place) const;
  void AskReached(AskId id);
  void StopReached(AskId id);
  void Admit(std::uint32_t node);
  void StartFlow(AskId id);
  void EndFlow(AskId id);
  void Sent(AskId id, std::uint64_t planned);
  void Break(AskId id);
  void Settle(Link& link);
  void SettleUp(Node& node);
  void SettleDown(Node& node);
  void SettleAsk(Ask& ask);
  void Rerate(std::uint32_t place);
  void RerateAround(std::uint32_t place);
  void RerateNode(Node& node);
  void PassedOn(std::uint32_t download, PieceNumber piece, bool whole);
  [[nodiscard]] Link& UpOf(const Ask& ask);
  [[nodiscard]] bool Crosses(const Ask& ask) const;

  // download.cc: the child's side.
  void AnswerReached(std::uint32_t download, const Answer& answer);
  void Subscribed(std::uint32_t parent, std::uint32_t child);
  void Offers(std::uint32_t child, std::uint32_t parent);
  void Offer(std::uint32_t child, std::uint32_t parent, PieceNumber piece);
  void StreamEnded(std::uint32_t child, std::uint32_t parent);
  void FirstByte(AskId id);
  void Arrived(AskId id);
  void AskFailed(AskId id);
  void PlanStep(std::uint32_t download);
  void Step(std::uint32_t download);
  void Pump(std::uint32_t download);
  bool AskOne(std::uint32_t download);
  void AskEverybody(std::uint32_t download);
  void SendAsk(std::uint32_t download, PieceNumber piece, std::optional<ParentSlot> slot);
  void Stop(AskId id);
  void Answered(Download& download, ParentSlot slot);
  void Watch(std::uint32_t download);
  void PlanTick(std::uint32_t download);
  [[nodiscard]] bool Open(const Parent& parent) const;
  void CountFailure(std::uint32_t download, ParentSlot slot);
  void Retire(Download& download, ParentSlot slot);
  void Release(Download& download, ParentSlot slot);
  void Finish(std::uint32_t download);
  void UpdateLoads(Download& download);
  [[nodiscard]] bool MayReceive(Download& download, int more);
  [[nodiscard]] int Waiting(const Download& download) const;
  [[nodiscard]] dfdaemon::RoundView View(const Download& download) const;
  [[nodiscard]] std::optional<ParentSlot> SlotOf(const Download& child, std::uint32_t parent) const;
  [[nodiscard]] HostId HostOf(std::uint32_t node) const;

  const Scenario scenario_;
  const double piece_bytes_;
  const PieceNumber pieces_;
  const Duration delay_;
  SteadyTime start_{std::chrono::hours(100)};
  SteadyTime now_ = start_;
  SteadyTime deadline_;
  std::uint64_t order_ = 0;
  std::priority_queue<Event> events_;
  std::uint32_t open_ = 0;  // Nodes that have not everything.
  SteadyTime next_scheduler_ = SteadyTime::max();

  Random random_;
  std::vector<Node> nodes_;
  std::vector<Download> downloads_;
  std::vector<Ask> asks_;
  std::vector<std::uint32_t> free_asks_;
  Link origin_;
  Link trunk_[2];
  std::vector<Answer> answers_;

  scheduler::HostTable hosts_;
  scheduler::DynamicConfigHolder config_;
  scheduler::NullSchedulingMetrics metrics_;
  std::unique_ptr<const scheduler::Evaluator> evaluator_;
  std::unique_ptr<scheduler::Dispatcher> dispatcher_;

  double origin_bytes_ = 0, wasted_ = 0;
  std::uint64_t idle_samples_ = 0, samples_ = 0, handled_ = 0;
  std::vector<bool> seed_sent_;
  SteadyTime seed_distinct_;
};

}  // namespace dragonfly::simulation
