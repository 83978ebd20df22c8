// Whole conversations of the vectors, told to a Dispatcher.

#include <map>
#include <set>

#include <gmock/gmock.h>

#include "scheduler/selection/test_dispatcher.h"
#include "scheduler/selection/vectors.h"

namespace dragonfly::scheduler {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

std::int32_t Level(const std::string& name) { return std::stoi(name.substr(5)); }

/// One conversation of peer C, as PeerStream would lead it.
class Conversation {
 public:
  explicit Conversation(const Json& inputs) : inputs_(inputs) {
    DynamicConfig config;
    for (const Json& json : inputs.value("applications", Json::array())) {
      DynamicConfig::Application application;
      application.name = json["name"];
      application.priority = Level(json["value"]);
      for (const Json& url : json["urls"]) {
        application.urls.push_back({url["regex"], Level(url["value"]), nullptr});
      }
      config.applications.push_back(application);
    }
    test.config.Publish(config);
    if (!inputs.value("new_task", false)) PrepareTask();
    if (!inputs.value("host_unknown", false)) {
      test.AddHost("h-C", inputs["host_type"] == "super" ? HostType::kSuper : HostType::kNormal);
    }
  }

  void Tell(const std::string& message) {
    const PeerKey key = TestDispatcher::Key("C");
    const SteadyTime now = test.clock.Now();
    Dispatcher& to = *test.dispatcher;
    const std::string verb = message.substr(0, message.find(':'));
    const std::string parent = message.size() > verb.size() ? message.substr(verb.size() + 1) : "";
    PieceReport report;
    report.parent_id = parent;
    if (verb == "register") {
      auto channel = std::make_shared<RecordingChannel>();
      to.Register(key, RegistrationOf(), channel, now);
      Settle(*channel);
    } else if (verb == "reschedule") {
      auto channel = std::make_shared<RecordingChannel>();
      to.Reschedule(key, std::vector<PeerId>{PeerId(parent)}, channel, now);
      Settle(*channel);
    } else if (verb == "started") {
      GoOn(to.Started(key, now));
    } else if (verb == "bts_started") {
      GoOn(to.BackToSourceStarted(key, now));
    } else if (verb == "finished") {
      End(to.Finished(key, now));
    } else if (verb == "bts_finished") {
      End(to.BackToSourceFinished(key, now));
    } else if (verb == "failed") {
      End(to.Failed(key, now));
    } else if (verb == "bts_failed") {
      End(to.BackToSourceFailed(key, now));
    } else if (verb == "piece_finished") {
      ReportMemo memo;
      EXPECT_TRUE(to.PieceFinished(key, report, memo, now).ok());
    } else if (verb == "piece_bts_finished") {
      EXPECT_TRUE(to.PieceFromSourceFinished(key, report, now).ok());
    } else if (verb == "piece_failed" || verb == "piece_failed_temporary") {
      to.PieceFailed(key, PeerId(parent), verb == "piece_failed_temporary", now).IgnoreError();
    } else {
      ADD_FAILURE() << message;
    }
  }

  TestDispatcher test;
  std::vector<std::string> responses;
  std::optional<absl::Status> ended;

 private:
  static Registration Flagged() {
    Registration registration = TestDispatcher::SomeRegistration();
    registration.task.url = "https://old";
    registration.need_back_to_source = true;
    return registration;
  }
  void Delete(const std::string& peer) {
    test.dispatcher->DeletePeer(TaskId("task"), PeerId(peer), test.clock.Now());
  }
  /// The task as it was before C came. A Running task is kept Running by a peer that nobody can
  /// have as a parent: of a Running task without any peer ours knows that it is abandoned.
  void PrepareTask() {
    const std::string state = inputs_["task_state"];
    const bool available = inputs_["has_available_peer"];
    const SteadyTime now = test.clock.Now();
    if (available || state == "Succeeded") {
      test.RegisterOnNewHost("avail", Flagged());
      ASSERT_TRUE(test.dispatcher->BackToSourceStarted(TestDispatcher::Key("avail"), now).ok());
      ASSERT_TRUE(test.dispatcher->BackToSourceFinished(TestDispatcher::Key("avail"), now).ok());
      if (!available) Delete("avail");
    }
    if (state == "Running") {
      Registration busy = TestDispatcher::SomeRegistration();
      busy.task.url = "https://old";
      busy.metadata_only = true;
      test.RegisterOnNewHost("busy", busy);
    }
  }
  Registration RegistrationOf() const {
    Registration registration = TestDispatcher::SomeRegistration();
    registration.task.url = inputs_.value("url", "https://example.com/f");
    registration.task.application = inputs_.value("application", "");
    if (inputs_.value("new_task", false)) {
      registration.task.content_length = inputs_.value("download.actual_content_length", 0);
      registration.task.piece_count = inputs_.value("download.actual_piece_count", 0);
    }
    const std::string level = inputs_.value("effective_priority", "LEVEL0");
    registration.peer.priority = static_cast<Priority>(Level(level));
    if (inputs_.value("download.range", false)) registration.peer.range = ByteRange{0, 10};
    registration.need_back_to_source = inputs_.value("download.need_back_to_source", false);
    registration.metadata_only = inputs_.value("download.metadata_only", false);
    return registration;
  }

  void Settle(const RecordingChannel& channel) {
    test.Pass(5s);
    ASSERT_TRUE(channel.settled.has_value());
    for (const std::string& answer : channel.answers) responses.push_back(Named(answer));
    GoOn(*channel.settled);
  }
  static std::string Named(const std::string& answer) {
    if (answer == "empty") return "EmptyTaskResponse";
    if (answer == "metadata") return "MetadataOnlyResponse";
    if (answer.starts_with("parents: ")) return "NormalTaskResponse " + answer.substr(9);
    return "NeedBackToSourceResponse " + answer.substr(8);
  }
  void GoOn(const absl::Status& status) {
    if (!status.ok()) End(status);
  }
  void End(const absl::Status& status) { ended = status; }

  const Json& inputs_;
};

TEST(AnnounceVectorsTest, Conversations) {
  for (const Json& entry : CasesOf("announce")) {
    SCOPED_TRACE(Title(entry));
    const Json& inputs = entry["inputs"];
    // Messages of wrong form do not get so far: the service refuses them as a validator does.
    if (entry["id"] == "X041" || entry["id"] == "X056") continue;
    // An application's priority shows in effect; the request names none.
    Json request = inputs;
    if (inputs.contains("applications") && entry["id"] != "X062") {
      request["effective_priority"] = "LEVEL0";
    }
    Conversation conversation(request);
    std::size_t unread = 0;
    for (const Json& message : inputs["messages"]) {
      if (conversation.ended.has_value()) {
        ++unread;
      } else {
        conversation.Tell(message.get<std::string>());
      }
    }
    const Json expect = ExpectedBy(entry, "HEAD");
    EXPECT_EQ(unread, expect["unread_messages"].get<std::size_t>());
    EXPECT_EQ(conversation.responses, expect["responses"].get<std::vector<std::string>>());
    EXPECT_EQ(!conversation.test.seeds.requests.empty(), expect["trigger_seed_peer"].get<bool>());
    if (expect["error"].is_null()) {
      EXPECT_TRUE(!conversation.ended.has_value() || conversation.ended->ok());
    } else {
      const std::map<std::string, absl::StatusCode> codes = {
          {"NotFound", absl::StatusCode::kNotFound}, {"Internal", absl::StatusCode::kInternal}};
      ASSERT_TRUE(conversation.ended.has_value());
      EXPECT_EQ(conversation.ended->code(), codes.at(expect["error"])) << *conversation.ended;
      EXPECT_EQ(conversation.ended->message(), expect["error_text"].get<std::string>());
    }

    const Task& task = *conversation.test.task();
    EXPECT_EQ(Name(task.state()), expect["task_state_after"].get<std::string>());
    EXPECT_EQ(task.spec().content_length, expect["task_content_length"].get<std::int64_t>());
    EXPECT_EQ(task.spec().piece_count, expect["task_piece_count"].get<std::int64_t>());
    EXPECT_EQ(task.spec().url, expect["task_url"].get<std::string>());
    EXPECT_EQ(task.back_to_source_count(), expect["back_to_source_peers"].get<std::uint32_t>());
    const Peer* const peer = conversation.test.peer("C");
    if (!expect.contains("peer_state_after")) {
      EXPECT_EQ(peer, nullptr);
      continue;
    }
    ASSERT_NE(peer, nullptr);
    EXPECT_EQ(Name(peer->state()), expect["peer_state_after"].get<std::string>());
    EXPECT_EQ(peer->need_back_to_source, expect["peer_need_back_to_source"].get<bool>());
    EXPECT_EQ(peer->finished_pieces.count(), expect["finished_pieces"].get<std::size_t>());
    EXPECT_EQ(static_cast<int>(peer->effective_priority), Level(expect["effective_priority"]));
    std::set<std::string> blocked;
    for (const PeerId& id : peer->blocked()) blocked.insert(id.str());
    if (peer->Blocks(*peer)) blocked.insert(peer->id().str());
    std::set<std::string> expected;
    if (!expect["block_parents"].is_null()) expected = expect["block_parents"];
    EXPECT_EQ(blocked, expected);
  }
}

}  // namespace
}  // namespace dragonfly::scheduler
