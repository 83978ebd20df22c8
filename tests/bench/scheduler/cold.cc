// Cold tasks: nobody has them, so the scheduler tells a seed peer to fetch them, which is played here.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

#include "tests/bench/scheduler/crowd.h"
#include "dfdaemon.grpc.pb.h"
#include "tests/bench/scheduler/scenarios.h"

namespace dragonfly::bench {
namespace {

constexpr std::size_t kSeedHost = 0;

/// Registers as soon as it is told and has its first piece a given time later.
class Seed final : public pb::dfdaemon::DfdaemonUpload::Service {
 public:
  Seed(const std::string& target, std::chrono::duration<double> first_piece)
      : stub_(grpc::CreateChannel(target, grpc::InsecureChannelCredentials())),
        first_piece_(first_piece) {}

  grpc::Status DownloadTask(
      grpc::ServerContext*, const pb::dfdaemon::DownloadTaskRequest* request,
      grpc::ServerWriter<pb::dfdaemon::DownloadTaskResponse>* writer) override {
    const auto ready = SteadyClock::now() +
                       std::chrono::duration_cast<SteadyClock::duration>(first_piece_);
    const std::string& url = request->download().url();
    grpc::ClientContext context;
    const auto stream = stub_.AnnouncePeer(&context);
    pb::scheduler::AnnouncePeerRequest message;
    pb::scheduler::AnnouncePeerResponse answer;
    message.set_host_id(HostIdOf(kSeedHost));
    message.set_task_id(url.substr(url.rfind(':') + 1));
    message.set_peer_id(message.host_id() + "-" + message.task_id().substr(0, 36));
    auto& download = *message.mutable_register_peer_request()->mutable_download();
    download = request->download();
    stream->Write(message);
    if (!stream->Read(&answer) || !answer.has_need_back_to_source_response()) {
      return {grpc::StatusCode::INTERNAL, "the seed was not sent to the source"};
    }
    message.mutable_download_peer_back_to_source_started_request();
    stream->Write(message);
    if (!SourceAnswers(ready)) return {grpc::StatusCode::CANCELLED, "the bench is over"};
    for (std::uint32_t i = 0; i < 4; ++i) {
      FillPiece(i, "",
                *message.mutable_download_piece_back_to_source_finished_request()->mutable_piece());
      stream->Write(message);
    }
    message.mutable_download_peer_back_to_source_finished_request();
    stream->WriteLast(message, {});
    pb::dfdaemon::DownloadTaskResponse response;
    response.set_host_id(message.host_id());
    response.set_task_id(message.task_id());
    response.set_peer_id(message.peer_id());
    response.mutable_download_task_started_response();
    writer->Write(response);
    return stream->Finish();
  }

  void Stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  /// At that time; false when the bench ends before.
  bool SourceAnswers(SteadyClock::time_point when) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_until(lock, when, [this] { return stopped_; });
  }

  pb::scheduler::Scheduler::Stub stub_;
  const std::chrono::duration<double> first_piece_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
};

}  // namespace

nlohmann::json Cold(const LoadFlags& flags) {
  grpc::EnableDefaultHealthCheckService(true);
  Seed seed(flags.target, std::chrono::duration<double, std::milli>(flags.first_piece_ms));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(flags.seed_port),
                           grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&seed);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) Die("the seed cannot listen");

  std::vector<float> latencies;
  std::size_t sent_to_source = 0;
  {
    Client client(flags.target, 1);
    pb::common::Host host = SomeHost(kSeedHost);
    host.set_type(1);
    host.set_ip("127.0.0.1");
    host.set_port(port);
    host.set_download_port(port);
    client.Announce(host);
    client.AnnounceHosts(kParentHosts, 64);
    const std::uint64_t first = FreshPeerNumbers();
    for (std::size_t i = 0; i < flags.peers; ++i) {
      bool over = false;
      Conversation::Hooks hooks;
      hooks.ended = [&over](Conversation&) { over = true; };
      Conversation conversation(client, std::move(hooks));
      conversation.Begin(kParentHosts + i % 64, first + i, first + i, {});
      client.Run([&over] { return over; });
      if (conversation.parents() == 0) {
        ++sent_to_source;
        continue;
      }
      latencies.push_back(
          std::chrono::duration<float, std::milli>(conversation.latency()).count());
    }
  }
  seed.Stop();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  std::ranges::sort(latencies);
  return {{"tasks", flags.peers},
          {"sent_to_source", sent_to_source},
          {"first_parent_p50_ms", Quantile(latencies, 0.5)},
          {"first_parent_p99_ms", Quantile(latencies, 0.99)},
          {"first_parent_max_ms", Quantile(latencies, 1)}};
}

}  // namespace dragonfly::bench
