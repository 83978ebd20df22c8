#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/strings.h"
#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "scheduler.grpc.pb.h"

namespace dragonfly::scheduler {

/// The calls of scheduler.v2.Scheduler that this scheduler does not serve: each ends at once with
/// Unimplemented and says what is missing, so that a client's log explains itself.
class OtherKinds : public pb::scheduler::Scheduler::CallbackService {
 public:
  using Context = grpc::CallbackServerContext;
  using Empty = google::protobuf::Empty;
  using Unary = grpc::ServerUnaryReactor;
  template <class Kind>
  using Stream = grpc::ServerBidiReactor<typename Kind::Request, typename Kind::Response>;

  struct Cache {
    using Request = pb::scheduler::AnnounceCachePeerRequest;
    using Response = pb::scheduler::AnnounceCachePeerResponse;
  };
  struct Persistent {
    using Request = pb::scheduler::AnnouncePersistentPeerRequest;
    using Response = pb::scheduler::AnnouncePersistentPeerResponse;
  };
  struct PersistentCache {
    using Request = pb::scheduler::AnnouncePersistentCachePeerRequest;
    using Response = pb::scheduler::AnnouncePersistentCachePeerResponse;
  };

  Stream<Cache>* AnnounceCachePeer(Context* /*context*/) override {
    return RefuseStream<Cache>(kCacheTasks);
  }
  Unary* StatCachePeer(Context* context, const pb::scheduler::StatCachePeerRequest*,
                       pb::common::CachePeer*) override {
    return Refuse(context, kCacheTasks);
  }
  Unary* DeleteCachePeer(Context* context, const pb::scheduler::DeleteCachePeerRequest*,
                         Empty*) override {
    return Refuse(context, kCacheTasks);
  }
  Unary* StatCacheTask(Context* context, const pb::scheduler::StatCacheTaskRequest*,
                       pb::common::CacheTask*) override {
    return Refuse(context, kCacheTasks);
  }
  Unary* DeleteCacheTask(Context* context, const pb::scheduler::DeleteCacheTaskRequest*,
                         Empty*) override {
    return Refuse(context, kCacheTasks);
  }
  Stream<Persistent>* AnnouncePersistentPeer(Context* /*context*/) override {
    return RefuseStream<Persistent>(kPersistentTasks);
  }
  Unary* StatPersistentPeer(Context* context, const pb::scheduler::StatPersistentPeerRequest*,
                            pb::common::PersistentPeer*) override {
    return Refuse(context, kPersistentTasks);
  }
  Unary* DeletePersistentPeer(Context* context, const pb::scheduler::DeletePersistentPeerRequest*,
                              Empty*) override {
    return Refuse(context, kPersistentTasks);
  }
  Unary* UploadPersistentTaskStarted(
      Context* context, const pb::scheduler::UploadPersistentTaskStartedRequest*,
      Empty*) override {
    return Refuse(context, kPersistentTasks);
  }
  Unary* UploadPersistentTaskFinished(
      Context* context, const pb::scheduler::UploadPersistentTaskFinishedRequest*,
      pb::common::PersistentTask*) override {
    return Refuse(context, kPersistentTasks);
  }
  Unary* UploadPersistentTaskFailed(
      Context* context, const pb::scheduler::UploadPersistentTaskFailedRequest*,
      Empty*) override {
    return Refuse(context, kPersistentTasks);
  }
  Unary* StatPersistentTask(Context* context, const pb::scheduler::StatPersistentTaskRequest*,
                            pb::common::PersistentTask*) override {
    return Refuse(context, kPersistentTasks);
  }
  Unary* DeletePersistentTask(Context* context, const pb::scheduler::DeletePersistentTaskRequest*,
                              Empty*) override {
    return Refuse(context, kPersistentTasks);
  }
  Stream<PersistentCache>* AnnouncePersistentCachePeer(Context* /*context*/) override {
    return RefuseStream<PersistentCache>(kPersistentCacheTasks);
  }
  Unary* StatPersistentCachePeer(
      Context* context, const pb::scheduler::StatPersistentCachePeerRequest*,
      pb::common::PersistentCachePeer*) override {
    return Refuse(context, kPersistentCacheTasks);
  }
  Unary* DeletePersistentCachePeer(
      Context* context, const pb::scheduler::DeletePersistentCachePeerRequest*,
      Empty*) override {
    return Refuse(context, kPersistentCacheTasks);
  }
  Unary* UploadPersistentCacheTaskStarted(
      Context* context, const pb::scheduler::UploadPersistentCacheTaskStartedRequest*,
      Empty*) override {
    return Refuse(context, kPersistentCacheTasks);
  }
  Unary* UploadPersistentCacheTaskFinished(
      Context* context, const pb::scheduler::UploadPersistentCacheTaskFinishedRequest*,
      pb::common::PersistentCacheTask*) override {
    return Refuse(context, kPersistentCacheTasks);
  }
  Unary* UploadPersistentCacheTaskFailed(
      Context* context, const pb::scheduler::UploadPersistentCacheTaskFailedRequest*,
      Empty*) override {
    return Refuse(context, kPersistentCacheTasks);
  }
  Unary* StatPersistentCacheTask(
      Context* context, const pb::scheduler::StatPersistentCacheTaskRequest*,
      pb::common::PersistentCacheTask*) override {
    return Refuse(context, kPersistentCacheTasks);
  }
  Unary* DeletePersistentCacheTask(
      Context* context, const pb::scheduler::DeletePersistentCacheTaskRequest*,
      Empty*) override {
    return Refuse(context, kPersistentCacheTasks);
  }
  Unary* PreheatImage(Context* context, const pb::scheduler::PreheatImageRequest*,
                      Empty*) override {
    return Refuse(context, kImageAndFileCalls);
  }
  Unary* StatImage(Context* context, const pb::scheduler::StatImageRequest*,
                   pb::scheduler::StatImageResponse*) override {
    return Refuse(context, kImageAndFileCalls);
  }
  Unary* PreheatFile(Context* context, const pb::scheduler::PreheatFileRequest*, Empty*) override {
    return Refuse(context, kImageAndFileCalls);
  }
  Unary* StatFile(Context* context, const pb::scheduler::StatFileRequest*,
                  pb::scheduler::StatFileResponse*) override {
    return Refuse(context, kImageAndFileCalls);
  }

 private:
  static constexpr std::string_view kCacheTasks = "cache tasks are not supported";
  static constexpr std::string_view kPersistentTasks = "persistent tasks are not supported";
  static constexpr std::string_view kPersistentCacheTasks =
      "persistent cache tasks are not supported";
  static constexpr std::string_view kImageAndFileCalls =
      "image and file calls of the scheduler are not supported";

  static grpc::Status Because(std::string_view reason) {
    return {grpc::StatusCode::UNIMPLEMENTED, std::string(reason)};
  }
  static Unary* Refuse(Context* context, std::string_view reason) {
    Unary* const reactor = context->DefaultReactor();
    reactor->Finish(Because(reason));
    return reactor;
  }
  template <class Kind>
  static Stream<Kind>* RefuseStream(std::string_view reason) {
    return new rpc::internal::Refusal<Stream<Kind>>(absl::UnimplementedError(ToAbsl(reason)));
  }
};

}  // namespace dragonfly::scheduler
