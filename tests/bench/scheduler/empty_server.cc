// The yardstick: a server on gRPC's callback API that answers every registration with the same three
// parents, ends every conversation when its peer has finished, and decides and remembers nothing.
// What it carries is what gRPC leaves for a scheduler to use up.

#include <csignal>
#include <cstdio>
#include <string>

#include <grpcpp/server_builder.h>

#include "tests/bench/scheduler/messages.h"
#include "scheduler.grpc.pb.h"

namespace dragonfly::bench {
namespace {

using Request = pb::scheduler::AnnouncePeerRequest;
using Response = pb::scheduler::AnnouncePeerResponse;

class Conversation final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit Conversation(const Response& answer) : answer_(answer) { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      if (!finished_) Finish(grpc::Status::OK);
      return;
    }
    switch (request_.request_case()) {
      case Request::kRegisterPeerRequest:
        StartWrite(&answer_);
        break;
      case Request::kDownloadPeerFinishedRequest:
      case Request::kDownloadPeerBackToSourceFinishedRequest:
        finished_ = true;
        Finish(grpc::Status::OK);
        return;
      default:
        break;
    }
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  const Response& answer_;
  Request request_;
  bool finished_ = false;  // Reads are one at a time, so it needs no lock.
};

class Service final : public pb::scheduler::Scheduler::CallbackService {
 public:
  grpc::ServerBidiReactor<Request, Response>* AnnouncePeer(
      grpc::CallbackServerContext*) override {
    return new Conversation(answer_);
  }
  grpc::ServerUnaryReactor* AnnounceHost(grpc::CallbackServerContext* context,
                                         const pb::scheduler::AnnounceHostRequest*,
                                         google::protobuf::Empty*) override {
    auto* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const Response answer_ = ThreeParents();
};

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench_scheduler_empty ADDRESS\n");
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(argv[1], grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "cannot listen on %s\n", argv[1]);
    return 1;
  }
  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

}  // namespace
}  // namespace dragonfly::bench

int main(int argc, char** argv) { return dragonfly::bench::Main(argc, argv); }
