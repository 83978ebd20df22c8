#include "dfdaemon/cluster/grpc_scheduler_client.h"

#include <utility>
#include <vector>

#include "common/async/with_timeout.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/rpc/client.h"
#include "dfdaemon/cluster/conversions.h"
#include "dfdaemon/cluster/peer_conversation.h"
#include "scheduler.grpc.pb.h"

namespace dragonfly::dfdaemon {
namespace {

using Stub = pb::scheduler::Scheduler::Stub;

Awaitable<absl::Status> DrainGroup(TaskGroup& group) {
  co_await group.Drain();
  co_return absl::OkStatus();
}

// The driver's end of a conversation.
class Conversation final : public PeerConversation {
 public:
  struct Owner {
    TaskGroup& group;
    Announcer& announcer;
    rpc::ChannelPool& channels;
    SchedulerDirectory& directory;
    const SchedulerClientOptions& options;
  };

  Conversation(Owner owner, SchedulerEndpoint scheduler, std::shared_ptr<ConversationStream> stream)
      : owner_(owner), scheduler_(std::move(scheduler)), stream_(std::move(stream)) {}

  ~Conversation() override {
    StartWriting();
    stream_->Abandon(owner_.options.flush_timeout);
  }

  void Report(PeerReport report) override { (void)stream_->Push(report); }

  Awaitable<absl::StatusOr<std::optional<ScheduleDecision>>> Next() override {
    if (answered_) co_return co_await stream_->Read();
    auto first = co_await FirstAnswer();
    if (absl::IsNotFound(first.status()) && !announced_) {
      // It restarted and has forgotten this host.
      announced_ = true;
      CO_RETURN_IF_ERROR(co_await owner_.announcer.AnnounceTo(scheduler_));
      CO_ASSIGN_OR_RETURN(auto channel, owner_.channels.Get(scheduler_.address(),
                                                            std::chrono::steady_clock::now()));
      CO_RETURN_IF_ERROR(co_await stream_->Reopen(channel));
      first = co_await FirstAnswer();
    }
    if (first.ok()) {
      answered_ = true;
      StartWriting();
    }
    co_return std::move(first);
  }

 private:
  using Answer = absl::StatusOr<std::optional<ScheduleDecision>>;

  Awaitable<Answer> FirstAnswer() {
    auto answer = co_await WithTimeout(stream_->Read(), owner_.options.first_answer_timeout,
                                       "wait for the scheduler's answer");
    if (absl::IsDeadlineExceeded(answer.status())) {
      const Duration pause = owner_.directory.Silent(scheduler_, std::chrono::steady_clock::now());
      Warn(StrCat("took a registration and did not answer, not asked again for ",
                  std::chrono::duration_cast<std::chrono::seconds>(pause).count(), " s"));
      co_return absl::UnavailableError(answer.status().message());
    }
    // A refusal is an answer too; a stream that broke, or that the driver let go, is none.
    const bool answered =
        !absl::IsUnavailable(answer.status()) && !absl::IsCancelled(answer.status());
    if (answered && owner_.directory.Answered(scheduler_)) Warn("answers again");
    co_return std::move(answer);
  }

  void Warn(std::string_view text) const {
    if (owner_.options.warn) {
      owner_.options.warn(StrCat("scheduler ", scheduler_.address(), " ", text));
    }
  }

  // Not before the first answer: until then the stream may have to be opened anew.
  void StartWriting() {
    if (std::exchange(writing_, true)) return;
    owner_.group.Spawn(ConversationStream::WriteReports(stream_));
  }

  const Owner owner_;
  const SchedulerEndpoint scheduler_;
  const std::shared_ptr<ConversationStream> stream_;
  bool answered_ = false;
  bool announced_ = false;
  bool writing_ = false;
};

}  // namespace

GrpcSchedulerClient::GrpcSchedulerClient(asio::any_io_executor executor,
                                         SchedulerClientOptions options, rpc::ChannelPool& channels,
                                         SchedulerDirectory& directory, Announcer& announcer)
    : executor_(executor),
      options_(std::move(options)),
      channels_(channels),
      directory_(directory),
      announcer_(announcer),
      group_(executor) {}

Awaitable<absl::StatusOr<std::unique_ptr<PeerConversation>>> GrpcSchedulerClient::AnnouncePeer(
    PeerIdentity peer, DownloadRequest request, ActualSizes sizes) {
  pb::scheduler::AnnouncePeerRequest registration;
  auto& download = *registration.mutable_register_peer_request()->mutable_download();
  ToProto(request, download);
  download.set_concurrent_piece_count(sizes.concurrent_piece_count != 0
                                          ? sizes.concurrent_piece_count
                                          : options_.concurrent_piece_count);
  download.set_actual_piece_length(sizes.piece_length);
  download.set_actual_content_length(sizes.content_length);
  download.set_actual_piece_count(sizes.piece_count);

  bool announced = false;
  while (true) {
    const SteadyTime now = std::chrono::steady_clock::now();
    CO_ASSIGN_OR_RETURN(const SchedulerEndpoint scheduler,
                        directory_.ForRegistration(peer.task_id, now));
    CO_ASSIGN_OR_RETURN(const auto channel, channels_.Get(scheduler.address(), now));
    auto stream = std::make_shared<ConversationStream>(executor_, peer, registration);
    const absl::Status opened = co_await stream->Open(channel);
    if (opened.ok()) {
      co_return std::make_unique<Conversation>(
          Conversation::Owner{group_, announcer_, channels_, directory_, options_}, scheduler,
          std::move(stream));
    }
    if (absl::IsNotFound(opened) && !announced) {
      announced = true;
      CO_RETURN_IF_ERROR(co_await announcer_.AnnounceTo(scheduler));
      continue;
    }
    if (!absl::IsUnavailable(opened)) co_return opened;
    if (options_.warn) {
      options_.warn(StrCat("register at scheduler ", scheduler.address(), ": ", opened.message()));
    }
    // The directory shrinks with every round, so this ends.
    directory_.Suspect(scheduler);
  }
}

Awaitable<absl::Status> GrpcSchedulerClient::DeleteTask(HostId host, TaskId task) {
  const SteadyTime now = std::chrono::steady_clock::now();
  CO_ASSIGN_OR_RETURN(const SchedulerEndpoint scheduler, directory_.OwnerOf(task, now));
  CO_ASSIGN_OR_RETURN(const auto channel, channels_.Get(scheduler.address(), now));
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  pb::scheduler::DeleteTaskRequest request;
  request.set_host_id(host.str());
  request.set_task_id(task.str());
  const auto response =
      co_await rpc::Unary(*stub->async(), &Stub::async::DeleteTask, request, options_.call_timeout);
  co_return Annotate(response.status(), "delete task at the scheduler");
}

Awaitable<absl::StatusOr<pb::common::Task>> GrpcSchedulerClient::StatTask(TaskId task) {
  const SteadyTime now = std::chrono::steady_clock::now();
  CO_ASSIGN_OR_RETURN(const SchedulerEndpoint scheduler, directory_.OwnerOf(task, now));
  CO_ASSIGN_OR_RETURN(const auto channel, channels_.Get(scheduler.address(), now));
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  pb::scheduler::StatTaskRequest request;
  request.set_host_id(options_.host_id.str());
  request.set_task_id(task.str());
  co_return co_await rpc::Unary(*stub->async(), &Stub::async::StatTask, request,
                                options_.call_timeout);
}

Awaitable<absl::Status> GrpcSchedulerClient::DeleteHost() {
  co_return co_await announcer_.DeleteHost();
}

Awaitable<> GrpcSchedulerClient::Stop() {
  (void)co_await WithTimeout(DrainGroup(group_), options_.flush_timeout, "flush reports");
  co_await group_.Stop();
}

}  // namespace dragonfly::dfdaemon
