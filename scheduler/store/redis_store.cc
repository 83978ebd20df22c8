#include "scheduler/store/redis_store.h"

#include <chrono>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "scheduler/store/record_codec.h"

namespace dragonfly::scheduler {
namespace {

// Small enough that Redis serves others in between.
constexpr const char* kPage = "1000";
constexpr std::size_t kFieldsPerCommand = 500;

std::string PeerField(const TaskId& task, const PeerId& peer) {
  return StrCat(task.str(), "/", peer.str());
}

/// HSET or HDEL of many fields in commands of bounded size.
class Fields {
 public:
  Fields(std::string name, std::string key, std::vector<redis::Command>& into)
      : name_(std::move(name)), key_(std::move(key)), into_(into) {}

  template <class... Texts>
  void Add(Texts... texts) {
    if (count_++ % kFieldsPerCommand == 0) into_.push_back({name_, key_});
    (into_.back().push_back(std::move(texts)), ...);
  }

 private:
  const std::string name_;
  const std::string key_;
  std::vector<redis::Command>& into_;
  std::size_t count_ = 0;
};

}  // namespace

RedisStore::RedisStore(Options options, Logger log)
    : options_(std::move(options)), log_(std::move(log)) {}

RedisStore::~RedisStore() = default;

// The braces make Redis Cluster keep all keys of one scheduler on one node.
std::string RedisStore::KeyOf(std::string_view kind) const {
  return StrCat("scheduler:scheduler-clusters:", options_.scheduler_cluster_id, ":", kind, ":{",
                options_.name, "}");
}

Awaitable<absl::Status> RedisStore::Load(Sink sink) {
  auto load = [this, sink = std::move(sink)] { return LoadHere(sink); };
  co_return co_await thread_.Run(std::move(load));
}

Awaitable<absl::Status> RedisStore::Save(const StateChanges& changes) {
  auto save = [this, &changes] { return SaveHere(changes); };
  co_return co_await thread_.Run(std::move(save));
}

absl::StatusOr<redis::Connection*> RedisStore::Connected() {
  if (connection_ == nullptr) {
    ASSIGN_OR_RETURN(connection_, redis::Connection::Open(options_.redis));
  }
  return connection_.get();
}

template <class Take>
absl::Status RedisStore::ForEach(redis::Connection& connection, const std::string& key,
                                 const Sink& sink, const Take& take) {
  std::string cursor = "0";
  std::size_t refused = 0;
  absl::Status why;
  do {
    ASSIGN_OR_RETURN(const redis::Reply page,
                     connection.Run({"HSCAN", key, cursor, "COUNT", kPage}));
    if (page.list.size() != 2) return absl::FailedPreconditionError("HSCAN: unexpected answer");
    cursor = page.list[0].text;
    StateChanges records;
    const std::vector<redis::Reply>& fields = page.list[1].list;
    for (std::size_t i = 1; i < fields.size(); i += 2) {
      if (absl::Status status = take(fields[i].text, records); !status.ok()) {
        ++refused;
        why = std::move(status);
      }
    }
    if (records.size() > 0) sink(std::move(records));
  } while (cursor != "0");
  if (refused > 0) {
    log_.Warn("records cannot be read", {{"key", key}, {"records", refused}, {"error", why}});
  }
  return absl::OkStatus();
}

absl::Status RedisStore::LoadHere(const Sink& sink) {
  ASSIGN_OR_RETURN(redis::Connection* const connection, Connected());
  const auto load = [&]() -> absl::Status {
    const auto into = [](auto decode, auto member) {
      return [decode, member](const std::string& text, StateChanges& records) -> absl::Status {
        ASSIGN_OR_RETURN(auto record, decode(text));
        (records.*member).push_back(std::move(record));
        return absl::OkStatus();
      };
    };
    RETURN_IF_ERROR(
        ForEach(*connection, HostsKey(), sink, into(DecodeHost, &StateChanges::hosts)));
    RETURN_IF_ERROR(
        ForEach(*connection, TasksKey(), sink, into(DecodeTask, &StateChanges::tasks)));
    return ForEach(*connection, PeersKey(), sink, into(DecodePeer, &StateChanges::peers));
  };
  absl::Status status = load();
  if (!status.ok()) connection_.reset();
  return status;
}

absl::Status RedisStore::SaveHere(const StateChanges& changes) {
  ASSIGN_OR_RETURN(redis::Connection* const connection, Connected());
  std::vector<redis::Command> commands;
  // What is gone may have come back under the same id.
  Fields gone_hosts("HDEL", HostsKey(), commands);
  for (const HostId& host : changes.gone_hosts) gone_hosts.Add(host.str());
  Fields gone_tasks("HDEL", TasksKey(), commands);
  for (const TaskId& task : changes.gone_tasks) gone_tasks.Add(task.str());
  Fields gone_peers("HDEL", PeersKey(), commands);
  for (const auto& [task, peer] : changes.gone_peers) gone_peers.Add(PeerField(task, peer));
  Fields hosts("HSET", HostsKey(), commands);
  for (const HostInfo& host : changes.hosts) hosts.Add(host.id.str(), Encode(host));
  Fields tasks("HSET", TasksKey(), commands);
  for (const TaskRecord& task : changes.tasks) tasks.Add(task.id.str(), Encode(task));
  Fields peers("HSET", PeersKey(), commands);
  for (const PeerRecord& peer : changes.peers) {
    peers.Add(PeerField(peer.task_id, peer.spec.id), Encode(peer));
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.expiry).count();
  for (const std::string& key : {HostsKey(), TasksKey(), PeersKey()}) {
    commands.push_back({"EXPIRE", key, StrCat(seconds)});
  }
  const absl::Status status = connection->Run(commands).status();
  if (!status.ok()) connection_.reset();
  return status;
}

}  // namespace dragonfly::scheduler
