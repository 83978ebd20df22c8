#include "tests/bench/scheduler/client.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace dragonfly::bench {

void Die(const std::string& why) {
  std::fprintf(stderr, "bench_scheduler_load: %s\n", why.c_str());
  std::_Exit(1);
}

Client::Client(const std::string& target, std::size_t connections) {
  for (std::size_t i = 0; i < connections; ++i) {
    grpc::ChannelArguments arguments;
    // A connection of its own for each.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    stubs_.push_back(std::make_unique<Stub>(grpc::CreateCustomChannel(
        target, grpc::InsecureChannelCredentials(), arguments)));
  }
}

Client::~Client() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void Client::Run(const std::function<bool()>& done) {
  while (!done()) {
    void* tag = nullptr;
    bool ok = false;
    const auto soon = std::chrono::system_clock::now() + std::chrono::milliseconds(2);
    switch (queue_.AsyncNext(&tag, &ok, soon)) {
      case grpc::CompletionQueue::GOT_EVENT: static_cast<Waiting*>(tag)->Done(ok); break;
      case grpc::CompletionQueue::TIMEOUT: break;
      case grpc::CompletionQueue::SHUTDOWN: return;
    }
  }
}

namespace {

struct Announcement final : Waiting {
  void Done(bool) override {
    if (!status.ok()) Die("host refused: " + status.error_message());
    --open;
    delete this;
  }
  explicit Announcement(std::size_t& open_) : open(open_) { ++open; }

  std::size_t& open;
  grpc::ClientContext context;
  google::protobuf::Empty response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<google::protobuf::Empty>> call;
};

void Begin(Client& client, pb::common::Host host, std::size_t& open) {
  pb::scheduler::AnnounceHostRequest request;
  *request.mutable_host() = std::move(host);
  request.mutable_interval()->set_seconds(300);
  auto* const announcement = new Announcement(open);
  announcement->call =
      client.Next().AsyncAnnounceHost(&announcement->context, request, &client.queue());
  announcement->call->Finish(&announcement->response, &announcement->status, announcement);
}

}  // namespace

void Client::AnnounceHosts(std::size_t first, std::size_t count) {
  constexpr std::size_t kAtOnce = 64;
  std::size_t open = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Begin(*this, SomeHost(first + i), open);
    Run([&] { return open < kAtOnce; });
  }
  Run([&] { return open == 0; });
}

void Client::Announce(pb::common::Host host) {
  std::size_t open = 0;
  Begin(*this, std::move(host), open);
  Run([&] { return open == 0; });
}

void Conversation::Begin(std::size_t host, std::uint64_t task, std::uint64_t peer,
                         const Plan& plan) {
  plan_ = plan;
  step_ = Step::kRegister;
  held_ = false;
  piece_ = 0;
  parents_.clear();
  stream_.reset();  // It lives in memory of the call, which the context owns.
  context_.emplace();
  // The headers leave together with the registration.
  context_->set_initial_metadata_corked(true);
  request_.Clear();
  request_.set_host_id(HostIdOf(host));
  request_.set_task_id(TaskIdOf(task));
  request_.set_peer_id(PeerIdOf(host, peer));
  auto& download = *request_.mutable_register_peer_request()->mutable_download();
  FillDownload(task, download);
  download.set_need_back_to_source(plan.from_source);

  begun_ = SteadyClock::now();
  answered_ = SteadyClock::time_point();
  stream_ = client_.Next().PrepareAsyncAnnouncePeer(&*context_, &client_.queue());
  stream_->StartCall(nullptr);
  Write();
  answer_.pending = true;
  stream_->Read(&response_, &answer_);
}

void Conversation::Write(grpc::WriteOptions options) {
  written_.pending = true;
  stream_->Write(request_, options, &written_);
}

void Conversation::OnWritten(bool ok) {
  if (!ok && step_ != Step::kEnd) Finish();
  if (step_ == Step::kEnd) return EndIfDone();
  Advance();
}

void Conversation::OnAnswer(bool ok) {
  if (!ok) {
    if (step_ != Step::kEnd) Finish();
    return EndIfDone();
  }
  answered_ = SteadyClock::now();
  for (auto& parent : *response_.mutable_normal_task_response()->mutable_candidate_parents()) {
    parents_.push_back(std::move(*parent.mutable_id()));
  }
  if (hooks_.answered) hooks_.answered(*this);
  Advance();
}

void Conversation::Release() {
  held_ = false;
  plan_.hold = false;
  Advance();
}

void Conversation::Advance() {
  if (written_.pending || answer_.pending || step_ == Step::kEnd) return;
  if (step_ == Step::kRegister) {
    step_ = Step::kPieces;
    if (plan_.from_source) {
      request_.mutable_download_peer_back_to_source_started_request();
    } else {
      request_.mutable_download_peer_started_request();
    }
    return Write();
  }
  if (plan_.hold) {
    held_ = true;
    return;
  }
  if (piece_ == plan_.pieces && plan_.endless) piece_ = 0;
  if (piece_ < plan_.pieces) {
    const std::string none;
    if (plan_.from_source) {
      FillPiece(piece_, none,
                *request_.mutable_download_piece_back_to_source_finished_request()->mutable_piece());
    } else {
      FillPiece(piece_, parents_.empty() ? none : parents_[piece_ % parents_.size()],
                *request_.mutable_download_piece_finished_request()->mutable_piece());
    }
    ++piece_;
    ++reports_;
    grpc::WriteOptions options;
    if (piece_ % plan_.burst != 0 && piece_ < plan_.pieces) options.set_buffer_hint();
    return Write(options);
  }
  if (plan_.from_source) {
    request_.mutable_download_peer_back_to_source_finished_request();
  } else {
    request_.mutable_download_peer_finished_request();
  }
  grpc::WriteOptions last;
  last.set_last_message();
  Write(last);
  Finish();
}

void Conversation::Finish() {
  step_ = Step::kEnd;
  finished_.pending = true;
  stream_->Finish(&status_, &finished_);
}

void Conversation::OnFinished(bool) { EndIfDone(); }

void Conversation::EndIfDone() {
  if (written_.pending || answer_.pending || finished_.pending) return;
  if (hooks_.ended) hooks_.ended(*this);
}

}  // namespace dragonfly::bench
