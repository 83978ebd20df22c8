// Asks as parents see them, and the bytes on the links.

#include <algorithm>

#include "tests/simulation/world.h"

namespace dragonfly::simulation {
namespace {

constexpr double kNothing = 1;  // Bytes.
constexpr auto kShortest = std::chrono::milliseconds(1);
constexpr auto kGaugeStep = std::chrono::milliseconds(25);

Duration Seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, 1e6)));
}

// What moved since the last time, in portions of a moment, as sockets bring it.
template <class Moved>
void SettleInto(Link& link, SteadyTime now, Moved moved) {
  while (link.settled < now) {
    const SteadyTime next = std::min<SteadyTime>(now, link.settled + kGaugeStep);
    const double bytes = link.rate * ToSeconds(next - link.settled);
    link.settled = next;
    if (bytes > 0) moved(next, static_cast<std::uint64_t>(bytes));
    if (link.rate <= 0) link.settled = now;
  }
}

}  // namespace

AskId World::NewAsk() {
  std::uint32_t place = 0;
  if (free_asks_.empty()) {
    place = static_cast<std::uint32_t>(asks_.size());
    asks_.emplace_back();
  } else {
    place = free_asks_.back();
    free_asks_.pop_back();
  }
  const std::uint32_t generation = asks_[place].generation + 1;
  asks_[place] = Ask{};
  asks_[place].generation = generation;
  asks_[place].used = true;
  return IdOf(place);
}

AskId World::IdOf(std::uint32_t place) const {
  return (static_cast<AskId>(asks_[place].generation) << 32U) | place;
}

Ask* World::Find(AskId id) {
  Ask& ask = asks_[static_cast<std::uint32_t>(id)];
  return ask.used && ask.generation == id >> 32U ? &ask : nullptr;
}

void World::Free(AskId id) {
  asks_[static_cast<std::uint32_t>(id)].used = false;
  free_asks_.push_back(static_cast<std::uint32_t>(id));
}

Link& World::UpOf(const Ask& ask) {
  return ask.parent == kOrigin ? origin_ : nodes_[downloads_[ask.parent].node].up;
}

bool World::Crosses(const Ask& ask) const {
  return scenario_.thin_rate > 0 && ask.parent != kOrigin &&
         nodes_[downloads_[ask.parent].node].idc != nodes_[downloads_[ask.child].node].idc;
}

void World::AskReached(AskId id) {
  Ask* const ask = Find(id);
  if (ask == nullptr || ask->stopping) return;
  if (ask->parent == kOrigin) {
    StartFlow(id);
    return;
  }
  Download& parent = downloads_[ask->parent];
  Node& node = nodes_[parent.node];
  const bool here = parent.picker.here(ask->piece);
  ask->not_found = !node.dead && !here && parent.coming[ask->piece] == 0;
  if (node.dead || ask->not_found) {
    Later(EventKind::kFailed, 0, 0, id);
    return;
  }
  ask->queued = true;
  ask->coming = !here;
  const std::uint64_t hash = std::uint64_t{parent.layer} * pieces_ + ask->piece;
  ask->ticket =
      node.upload.Enter(now_, hash, static_cast<std::uint64_t>(piece_bytes_), ask->coming);
  node.tickets.emplace_back(ask->ticket, id);
  Admit(parent.node);
}

void World::Admit(std::uint32_t number) {
  Node& node = nodes_[number];
  SettleUp(node);
  std::vector<dfdaemon::UploadQueue::Ticket> turns;
  node.upload.Admit(now_, turns);
  for (const auto ticket : turns) {
    const auto found =
        std::ranges::find(node.tickets, ticket, [](const auto& entry) { return entry.first; });
    StartFlow(found->second);
  }
  if (node.upload.waiting() == 0) return;
  const SteadyTime next = node.upload.next_check(now_);
  if (next >= node.next_admit) return;
  node.next_admit = std::max(next, now_ + std::chrono::milliseconds(1));
  At(node.next_admit, EventKind::kAdmit, number);
}

void World::StartFlow(AskId id) {
  Ask& ask = *Find(id);
  const auto place = static_cast<std::uint32_t>(id);
  ask.queued = false;
  ask.flowing = true;
  ask.settled = now_;
  UpOf(ask).flows.push_back(place);
  nodes_[downloads_[ask.child].node].down.flows.push_back(place);
  if (Crosses(ask)) trunk_[nodes_[downloads_[ask.parent].node].idc].flows.push_back(place);
  Later(EventKind::kFirstByte, 0, 0, id);
  RerateAround(place);
}

void World::SettleUp(Node& node) {
  SettleInto(node.up, now_,
             [&](SteadyTime at, std::uint64_t bytes) { node.upload.Moved(at, bytes); });
}

void World::SettleDown(Node& node) {
  SettleInto(node.down, now_,
             [&](SteadyTime at, std::uint64_t bytes) { node.downlink.Moved(at, bytes); });
}

void World::SettleAsk(Ask& ask) {
  ask.sent += ask.rate * ToSeconds(now_ - ask.settled);
  ask.settled = now_;
}

// A flow has its equal part of each link on its way, and what others leave of it.
void World::Rerate(std::uint32_t place) {
  Ask& ask = asks_[place];
  if (!ask.used || !ask.flowing) return;
  Link& up = UpOf(ask);
  Node& child = nodes_[downloads_[ask.child].node];
  const auto share = [&](const Link& link) {
    return std::max(link.capacity / static_cast<double>(link.flows.size()),
                    link.capacity - (link.rate - ask.rate));
  };
  double rate = std::min(share(up), share(child.down));
  Link* const trunk = Crosses(ask) ? &trunk_[nodes_[downloads_[ask.parent].node].idc] : nullptr;
  if (trunk != nullptr) rate = std::min(rate, share(*trunk));
  SettleAsk(ask);
  if (ask.coming) {
    if (Ask* const source = Find(downloads_[ask.parent].coming[ask.piece]); source != nullptr) {
      SettleAsk(*source);
      const double behind = source->sent - ask.sent;
      if (behind < piece_bytes_ / 64) {
        rate = std::min(rate, source->rate);
      } else if (rate > source->rate && ask.catch_up <= now_) {
        ask.catch_up = now_ + Seconds(behind / (rate - source->rate)) + kShortest;
        At(ask.catch_up, EventKind::kCatchUp, 0, 0, IdOf(place));
      }
    }
  }
  if (rate < kNothing) rate = 0;
  if (rate == ask.rate && ask.planned != 0) return;
  if (ask.parent == kOrigin) {
    up.settled = now_;
  } else {
    SettleUp(nodes_[downloads_[ask.parent].node]);
  }
  SettleDown(child);
  up.rate += rate - ask.rate;
  child.down.rate += rate - ask.rate;
  if (trunk != nullptr) trunk->rate += rate - ask.rate;
  ask.rate = rate;
  ++ask.planned;
  if (rate > 0) {
    const double left = std::max(piece_bytes_ - ask.sent, 0.0);
    At(now_ + Seconds(left / rate), EventKind::kSent, static_cast<std::uint32_t>(ask.planned), 0,
       IdOf(place));
  }
  // Whoever gets it on while it comes.
  const Download& holder = downloads_[ask.child];
  if (holder.coming[ask.piece] != IdOf(place)) return;
  for (const std::uint32_t further : child.up.flows) {
    const Ask& next = asks_[further];
    if (next.coming && next.parent == ask.child && next.piece == ask.piece) Rerate(further);
  }
}

void World::RerateAround(std::uint32_t place) {
  const Ask& ask = asks_[place];
  Rerate(place);
  for (const std::uint32_t other : std::vector<std::uint32_t>(UpOf(ask).flows)) Rerate(other);
  RerateNode(nodes_[downloads_[ask.child].node]);
  if (Crosses(ask)) {
    const Link& trunk = trunk_[nodes_[downloads_[ask.parent].node].idc];
    for (const std::uint32_t other : std::vector<std::uint32_t>(trunk.flows)) Rerate(other);
  }
}

void World::RerateNode(Node& node) {
  for (const std::uint32_t other : std::vector<std::uint32_t>(node.up.flows)) Rerate(other);
  for (const std::uint32_t other : std::vector<std::uint32_t>(node.down.flows)) Rerate(other);
}

// Takes it off the links; the others get what it had.
void World::EndFlow(AskId id) {
  Ask& ask = *Find(id);
  const auto place = static_cast<std::uint32_t>(id);
  SettleAsk(ask);
  Node& child = nodes_[downloads_[ask.child].node];
  Link& up = UpOf(ask);
  if (ask.parent != kOrigin) SettleUp(nodes_[downloads_[ask.parent].node]);
  SettleDown(child);
  Link* const trunk = Crosses(ask) ? &trunk_[nodes_[downloads_[ask.parent].node].idc] : nullptr;
  for (Link* const link : {&up, &child.down, trunk}) {
    if (link == nullptr) continue;
    std::erase(link->flows, place);
    link->rate = link->flows.empty() ? 0 : std::max(link->rate - ask.rate, 0.0);
  }
  ask.flowing = false;
  ask.rate = 0;
  ++ask.planned;
  if (ask.parent == kOrigin) origin_bytes_ += ask.sent;
  RerateAround(place);
}

void World::Sent(AskId id, std::uint64_t planned) {
  Ask* const found = Find(id);
  if (found == nullptr || !found->flowing || found->planned != planned) return;
  Ask& ask = *found;
  SettleAsk(ask);
  ask.sent = piece_bytes_;
  // Not before its parent has it.
  if (ask.coming) {
    const AskId source = downloads_[ask.parent].coming[ask.piece];
    if (Ask* const other = Find(source); other != nullptr && other->flowing) {
      SettleAsk(*other);
      const double left = std::max(piece_bytes_ - other->sent, kNothing);
      ++ask.planned;
      At(now_ + Seconds(left / std::max(other->rate, 1.0)) + std::chrono::microseconds(50),
         EventKind::kSent, static_cast<std::uint32_t>(ask.planned), 0, id);
      return;
    }
  }
  const std::uint32_t parent = ask.parent;
  const auto ticket = ask.ticket;
  EndFlow(id);
  if (parent != kOrigin) {
    const std::uint32_t number = downloads_[parent].node;
    Node& node = nodes_[number];
    node.upload.Leave(now_, ticket);
    std::erase_if(node.tickets, [&](const auto& entry) { return entry.first == ticket; });
    if (number == 0) {
      const std::size_t piece = std::size_t{downloads_[parent].layer} * pieces_ + Find(id)->piece;
      if (!seed_sent_[piece]) {
        seed_sent_[piece] = true;
        seed_distinct_ = now_;
      }
    }
    Admit(number);
  }
  Later(EventKind::kArrived, 0, 0, id);
}

// The parent ends it: the child hears of it later.
void World::Break(AskId id) {
  Ask& ask = *Find(id);
  const std::uint32_t parent = ask.parent;
  const auto ticket = ask.ticket;
  const bool flowing = ask.flowing;
  ask.queued = false;
  if (flowing) {
    EndFlow(id);
    wasted_ += Find(id)->sent;
  }
  if (parent != kOrigin) {
    const std::uint32_t number = downloads_[parent].node;
    Node& node = nodes_[number];
    node.upload.Leave(now_, ticket);
    std::erase_if(node.tickets, [&](const auto& entry) { return entry.first == ticket; });
    if (!node.dead) Admit(number);
  }
}

void World::StopReached(AskId id) {
  const Ask* const ask = Find(id);
  if (ask == nullptr) return;
  if (ask->queued || ask->flowing) Break(id);
  Free(id);
}

// A piece is here, or is lost on its way, for those that get it from this host.
void World::PassedOn(std::uint32_t download, PieceNumber piece, bool whole) {
  Node& node = nodes_[downloads_[download].node];
  for (const auto& [ticket, id] : decltype(node.tickets)(node.tickets)) {
    Ask* const ask = Find(id);
    if (ask == nullptr || !ask->coming || ask->parent != download || ask->piece != piece) continue;
    if (whole) {
      ask->coming = false;
      node.upload.Whole(ticket);
      Rerate(static_cast<std::uint32_t>(id));
    } else {
      ask->not_found = ask->queued;
      Break(id);
      if (!Find(id)->stopping) Later(EventKind::kFailed, 0, 0, id);
    }
  }
  if (whole) Admit(downloads_[download].node);
}

}  // namespace dragonfly::simulation
