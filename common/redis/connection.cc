#include "common/redis/connection.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <hiredis/hiredis.h>

#include "absl/strings/match.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"

namespace dragonfly::redis {
namespace {

constexpr int kMaxRedirections = 5;

struct FreeReply {
  void operator()(void* reply) const { freeReplyObject(reply); }
};
using RawReply = std::unique_ptr<redisReply, FreeReply>;

timeval ToTimeval(Duration duration) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return {static_cast<time_t>(micros / 1'000'000), static_cast<suseconds_t>(micros % 1'000'000)};
}

struct HostPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostPort> Split(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  HostPort result;
  if (colon != std::string_view::npos) {
    std::string_view host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    result.host = std::string(host);
    const std::string_view port = address.substr(colon + 1);
    std::from_chars(port.data(), port.data() + port.size(), result.port);
  }
  if (result.host.empty() || result.port <= 0 || result.port > 65535) {
    return absl::InvalidArgumentError(StrCat("\"", address, "\" is no host:port"));
  }
  return result;
}

absl::Status ToStatus(std::string_view error) {
  const absl::string_view text = ToAbsl(error);
  for (const char* const start : {"WRONGPASS", "NOAUTH", "ERR invalid password", "ERR AUTH ",
                                  "ERR Client sent AUTH"}) {
    if (absl::StartsWith(text, start)) return absl::UnauthenticatedError(text);
  }
  if (absl::StartsWith(text, "NOPERM")) return absl::PermissionDeniedError(text);
  for (const char* const start : {"LOADING", "CLUSTERDOWN", "TRYAGAIN", "READONLY", "MASTERDOWN"}) {
    if (absl::StartsWith(text, start)) return absl::UnavailableError(text);
  }
  return absl::FailedPreconditionError(text);
}

Reply ToReply(const redisReply& raw) {
  Reply reply;
  switch (raw.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = Reply::Kind::kText;
      reply.text.assign(raw.str, raw.len);
      break;
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::kInteger;
      reply.integer = raw.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Reply::Kind::kList;
      reply.list.reserve(raw.elements);
      for (std::size_t i = 0; i < raw.elements; ++i) reply.list.push_back(ToReply(*raw.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

std::string_view TextOf(const redisReply& raw) { return {raw.str, raw.len}; }

/// `MOVED 1234 10.0.0.2:6379`; without a host it is the one that answers.
std::optional<std::string> MovedTo(const redisReply& raw, const std::string& from) {
  if (raw.type != REDIS_REPLY_ERROR) return std::nullopt;
  const std::string_view text = TextOf(raw);
  if (!text.starts_with("MOVED ")) return std::nullopt;
  std::string target(text.substr(text.rfind(' ') + 1));
  if (target.starts_with(':')) target = from.substr(0, from.rfind(':')) + target;
  return target;
}

}  // namespace

struct Connection::Wire {
  explicit Wire(redisContext* context) : context(context) {}
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { redisFree(context); }

  [[nodiscard]] absl::Status Broken() const {
    return absl::UnavailableError(StrCat("connection to Redis: ", context->errstr));
  }
  absl::Status Append(const Command& command) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& argument : command) {
      texts.push_back(argument.data());
      sizes.push_back(argument.size());
    }
    const int count = static_cast<int>(command.size());
    return redisAppendCommandArgv(context, count, texts.data(), sizes.data()) == REDIS_OK
               ? absl::OkStatus()
               : Broken();
  }
  absl::StatusOr<RawReply> Next() {
    void* reply = nullptr;
    if (redisGetReply(context, &reply) != REDIS_OK) return Broken();
    return RawReply(static_cast<redisReply*>(reply));
  }
  absl::StatusOr<Reply> Ask(const Command& command) {
    RETURN_IF_ERROR(Append(command));
    ASSIGN_OR_RETURN(const RawReply raw, Next());
    if (raw->type == REDIS_REPLY_ERROR) return ToStatus(TextOf(*raw));
    return ToReply(*raw);
  }

  redisContext* const context;
};

Connection::Connection(const Options& options) : options_(options) {}

Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Options& options) {
  for (const std::string& address : options.addresses) RETURN_IF_ERROR(Split(address).status());
  std::unique_ptr<Connection> connection(new Connection(options));
  RETURN_IF_ERROR(connection->Connect());
  return connection;
}

absl::Status Connection::Connect() {
  absl::Status last = absl::InvalidArgumentError("no address of Redis");
  for (const std::string& address : options_.addresses) {
    address_ = address;
    if (!options_.master_name.empty()) {
      auto master = AskSentinel(address);
      if (!master.ok()) {
        last = Annotate(master.status(), StrCat("sentinel ", address));
        continue;
      }
      address_ = *std::move(master);
    }
    auto wire = Dial(address_, options_.username, options_.password);
    last = wire.status();
    if (wire.ok()) {
      wire_ = *std::move(wire);
      last = CheckMaster();
      if (last.ok()) return last;
    }
    last = Annotate(last, address_);
  }
  return last;
}

absl::StatusOr<std::unique_ptr<Connection::Wire>> Connection::Dial(
    const std::string& address, const std::string& user, const std::string& password) const {
  ASSIGN_OR_RETURN(const HostPort target, Split(address));
  redisContext* const context =
      redisConnectWithTimeout(target.host.c_str(), target.port, ToTimeval(options_.timeout));
  if (context == nullptr) return absl::ResourceExhaustedError("no memory for a connection");
  auto wire = std::make_unique<Wire>(context);
  if (context->err != 0) return wire->Broken();
  redisSetTimeout(context, ToTimeval(options_.timeout));
  redisEnableKeepAlive(context);
  if (!password.empty()) {
    Command login = {"AUTH"};
    if (!user.empty()) login.push_back(user);
    login.push_back(password);
    RETURN_IF_ERROR(wire->Ask(login).status());
  }
  return wire;
}

absl::StatusOr<std::string> Connection::AskSentinel(const std::string& address) const {
  ASSIGN_OR_RETURN(const auto wire,
                   Dial(address, options_.sentinel_username, options_.sentinel_password));
  ASSIGN_OR_RETURN(const Reply reply,
                   wire->Ask({"SENTINEL", "get-master-addr-by-name", options_.master_name}));
  if (reply.list.size() != 2) {
    return absl::UnavailableError(StrCat("knows no master ", options_.master_name));
  }
  return StrCat(reply.list[0].text, ":", reply.list[1].text);
}

// Also tells whether commands are let through at all: a server without a password asks for none,
// one with a password says so here.
absl::Status Connection::CheckMaster() {
  if (!options_.master_name.empty()) {
    // Sentinels may be behind what they have seen themselves.
    ASSIGN_OR_RETURN(const Reply role, wire_->Ask({"ROLE"}));
    if (role.list.empty() || role.list[0].text != "master") {
      return absl::UnavailableError("is no master any more");
    }
  }
  if (options_.database != 0) {
    RETURN_IF_ERROR(wire_->Ask({"SELECT", StrCat(options_.database)}).status());
  }
  return wire_->Ask({"PING"}).status();
}

absl::StatusOr<Reply> Connection::Run(const Command& command) {
  ASSIGN_OR_RETURN(std::vector<Reply> replies, Run(std::span(&command, 1)));
  return std::move(replies.front());
}

absl::StatusOr<std::vector<Reply>> Connection::Run(std::span<const Command> commands) {
  for (int redirections = 0; redirections <= kMaxRedirections; ++redirections) {
    for (const Command& command : commands) RETURN_IF_ERROR(wire_->Append(command));
    std::vector<Reply> replies;
    absl::Status error;
    std::optional<std::string> moved;
    for (std::size_t i = 0; i < commands.size(); ++i) {
      ASSIGN_OR_RETURN(const RawReply raw, wire_->Next());
      if (auto target = MovedTo(*raw, address_); target.has_value()) {
        moved = std::move(target);
      } else if (raw->type == REDIS_REPLY_ERROR) {
        if (error.ok()) error = ToStatus(TextOf(*raw));
      } else {
        replies.push_back(ToReply(*raw));
      }
    }
    if (!moved.has_value()) {
      RETURN_IF_ERROR(error);
      return replies;
    }
    ASSIGN_OR_RETURN(wire_, Dial(*moved, options_.username, options_.password));
    address_ = *std::move(moved);
  }
  return absl::UnavailableError("Redis sends from node to node");
}

}  // namespace dragonfly::redis
