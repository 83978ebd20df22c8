#include "scheduler/store/record_codec.h"

#include <charconv>
#include <chrono>

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::scheduler {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

std::int64_t ToMillis(WallTime time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

WallTime FromMillis(std::int64_t millis) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(milliseconds(millis)));
}

std::string Dump(const Json& json) {
  // Names come from outside and need not be UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Runs `read` on the parsed text; what it throws (a member is missing or of another type) is
/// DataLoss.
template <class Record, class Read>
absl::StatusOr<Record> Decode(std::string_view text, const Read& read) {
  try {
    const Json json = Json::parse(text);
    Record record;
    read(json, record);
    return record;
  } catch (const Json::exception& error) {
    return absl::DataLossError(StrCat("record: ", error.what()));
  }
}

std::string Bytes(const Json& json) {
  std::string bytes;
  return absl::Base64Unescape(json.get<std::string>(), &bytes) ? bytes : std::string();
}

}  // namespace

std::string EncodePieces(const PieceSet& pieces) {
  std::string text;
  pieces.ForEachRange([&text](PieceNumber first, PieceNumber last) {
    absl::StrAppend(&text, text.empty() ? "" : ",", first);
    if (last != first) absl::StrAppend(&text, "-", last);
  });
  return text;
}

absl::StatusOr<PieceSet> DecodePieces(std::string_view text) {
  PieceSet pieces;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    PieceNumber first = 0;
    auto parsed = std::from_chars(at, end, first);
    PieceNumber last = first;
    if (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
    }
    if (parsed.ec != std::errc() || last < first || last >= PieceSet::kLimit) {
      return absl::DataLossError(StrCat("pieces ", text));
    }
    for (PieceNumber number = first; number <= last; ++number) pieces.Set(number);
    at = parsed.ptr;
    if (at != end && *at++ != ',') return absl::DataLossError(StrCat("pieces ", text));
  }
  return pieces;
}

std::string Encode(const HostInfo& host) {
  Json json = {{"id", host.id.str()},
               {"type", static_cast<int>(host.type)},
               {"hostname", host.hostname},
               {"ip", host.ip},
               {"port", host.port},
               {"download_port", host.download_port},
               {"disable_shared", host.disable_shared},
               {"trades", host.trades},
               {"idc", host.idc},
               {"location", host.location},
               {"max_tx_bandwidth", host.max_tx_bandwidth},
               {"cpu_percent", host.load.cpu_percent},
               {"memory_percent", host.load.memory_percent},
               {"disk_percent", host.load.disk_percent},
               {"disk_bandwidth", host.load.disk_bandwidth},
               {"announce_interval_ns", host.announce_interval.count()},
               {"announced", absl::Base64Escape(host.announced)}};
  return Dump(json);
}

absl::StatusOr<HostInfo> DecodeHost(std::string_view text) {
  return Decode<HostInfo>(text, [](const Json& json, HostInfo& host) {
    host.id = HostId(json.at("id").get<std::string>());
    host.type = static_cast<HostType>(json.at("type").get<int>() & 3);
    host.hostname = json.at("hostname");
    host.ip = json.at("ip");
    host.port = json.at("port");
    host.download_port = json.at("download_port");
    host.disable_shared = json.at("disable_shared");
    host.trades = json.at("trades");
    host.idc = json.at("idc");
    host.location = json.at("location");
    host.max_tx_bandwidth = json.at("max_tx_bandwidth");
    host.load.cpu_percent = json.at("cpu_percent");
    host.load.memory_percent = json.at("memory_percent");
    host.load.disk_percent = json.at("disk_percent");
    host.load.disk_bandwidth = json.at("disk_bandwidth");
    host.announce_interval = std::chrono::nanoseconds(json.at("announce_interval_ns"));
    host.announced = Bytes(json.at("announced"));
  });
}

std::string Encode(const TaskRecord& task) {
  const Json json = {{"id", task.id.str()},
                     {"type", static_cast<int>(task.spec.kind)},
                     {"url", task.spec.url},
                     {"digest", task.spec.digest},
                     {"tag", task.spec.tag},
                     {"application", task.spec.application},
                     {"filtered_query_params", task.spec.filtered_query_params},
                     {"piece_length", task.spec.piece_length},
                     {"content_length", task.spec.content_length},
                     {"piece_count", task.spec.piece_count},
                     {"state", static_cast<int>(task.state)},
                     {"created_at", ToMillis(task.created)},
                     {"updated_at", ToMillis(task.updated)}};
  return Dump(json);
}

absl::StatusOr<TaskRecord> DecodeTask(std::string_view text) {
  return Decode<TaskRecord>(text, [](const Json& json, TaskRecord& task) {
    task.id = TaskId(json.at("id").get<std::string>());
    task.spec.kind = static_cast<TaskKind>(json.at("type").get<int>() % 3);
    task.spec.url = json.at("url");
    task.spec.digest = json.at("digest");
    task.spec.tag = json.at("tag");
    task.spec.application = json.at("application");
    task.spec.filtered_query_params = json.at("filtered_query_params");
    task.spec.piece_length = json.at("piece_length");
    task.spec.content_length = json.at("content_length");
    task.spec.piece_count = json.at("piece_count");
    const int state = json.at("state");
    task.state = state >= 0 && state <= static_cast<int>(TaskState::kLeave)
                     ? static_cast<TaskState>(state)
                     : TaskState::kPending;
    task.created = FromMillis(json.at("created_at"));
    task.updated = FromMillis(json.at("updated_at"));
  });
}

std::string Encode(const PeerRecord& peer) {
  Json json = {{"id", peer.spec.id.str()},
               {"task_id", peer.task_id.str()},
               {"host_id", peer.host_id.str()},
               {"priority", static_cast<int>(peer.spec.priority)},
               {"concurrent_piece_count", peer.spec.concurrent_piece_count},
               {"succeeded", peer.succeeded},
               {"pieces", EncodePieces(peer.pieces)},
               {"cost_ns", peer.cost.count()},
               {"created_at", ToMillis(peer.created)},
               {"updated_at", ToMillis(peer.updated)}};
  if (peer.spec.range.has_value()) {
    json["range"] = {peer.spec.range->start, peer.spec.range->length};
  }
  return Dump(json);
}

absl::StatusOr<PeerRecord> DecodePeer(std::string_view text) {
  std::string pieces;
  auto record = Decode<PeerRecord>(text, [&pieces](const Json& json, PeerRecord& peer) {
    peer.spec.id = PeerId(json.at("id").get<std::string>());
    peer.task_id = TaskId(json.at("task_id").get<std::string>());
    peer.host_id = HostId(json.at("host_id").get<std::string>());
    peer.spec.priority = static_cast<Priority>(json.at("priority").get<unsigned>() % 7);
    peer.spec.concurrent_piece_count = json.at("concurrent_piece_count");
    peer.succeeded = json.at("succeeded");
    pieces = json.at("pieces");
    peer.cost = std::chrono::nanoseconds(json.at("cost_ns"));
    peer.created = FromMillis(json.at("created_at"));
    peer.updated = FromMillis(json.at("updated_at"));
    if (const auto range = json.find("range"); range != json.end()) {
      peer.spec.range = ByteRange{range->at(0), range->at(1)};
    }
  });
  if (!record.ok()) return record;
  ASSIGN_OR_RETURN(record->pieces, DecodePieces(pieces));
  return record;
}

}  // namespace dragonfly::scheduler
