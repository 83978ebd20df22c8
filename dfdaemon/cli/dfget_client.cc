#include "dfdaemon/cli/dfget_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/strings.h"
#include "common/ids/task_id.h"
#include "common/net/url.h"
#include "common/rpc/channel.h"
#include "common/rpc/health.h"
#include "common/rpc/pb.h"
#include "dfdaemon.grpc.pb.h"
#include "dfdaemon/cli/output_file.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::string_view kDownloadFailed = "Downloading Failed!";
constexpr auto kConnectTimeout = std::chrono::seconds(3);
constexpr auto kHealthTimeout = std::chrono::seconds(15);

// Cancels a call that the daemon has not accepted in time. A gRPC deadline cannot do that: it
// covers the whole stream, and a download may take longer than the daemon may take to accept it.
class AcceptWatchdog {
 public:
  AcceptWatchdog(grpc::ClientContext& context, std::chrono::milliseconds limit)
      : thread_([this, &context, limit] { Watch(context, limit); }) {}
  ~AcceptWatchdog() {
    Accepted();
    thread_.join();
  }
  AcceptWatchdog(const AcceptWatchdog&) = delete;
  AcceptWatchdog& operator=(const AcceptWatchdog&) = delete;

  void Accepted() {
    const MutexLock lock(mutex_);
    accepted_ = true;
    changed_.NotifyAll();
  }
  [[nodiscard]] bool expired() {
    const MutexLock lock(mutex_);
    return expired_;
  }

 private:
  void Watch(grpc::ClientContext& context, std::chrono::milliseconds limit) {
    const SteadyTime deadline = std::chrono::steady_clock::now() + limit;
    const MutexLock lock(mutex_);
    while (!accepted_) {
      if (changed_.WaitUntil(mutex_, deadline) || accepted_) continue;
      expired_ = true;
      context.TryCancel();
      return;
    }
  }

  Mutex mutex_;
  CondVar changed_;
  bool accepted_ ABSL_GUARDED_BY(mutex_) = false;
  bool expired_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// What the original's tools call the daemon; servers must not route by it.
constexpr char kAuthority[] = "[::]:50051";

// Asks whether the download service is up, as the original's tools do before every command.
absl::Status CheckService(std::shared_ptr<grpc::Channel> channel) {
  asio::io_context context(1);
  auto answer = asio::co_spawn(
      context, rpc::CheckHealth(std::move(channel), "dfdaemon.v2.DfdaemonDownload", kHealthTimeout),
      asio::use_future);
  context.run();
  return answer.get();
}

// Cancels the call when the user interrupts.
class InterruptScope {
 public:
  InterruptScope(const std::function<void(std::function<void()>)>& hook,
                 grpc::ClientContext& context)
      : hook_(hook) {
    if (hook_) hook_([&context] { context.TryCancel(); });
  }
  ~InterruptScope() {
    if (hook_) hook_(nullptr);
  }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  const std::function<void(std::function<void()>)>& hook_;
};

void SetObjectStorage(const DfgetOptions& options, pb::common::ObjectStorage& storage) {
  auto set = [](const std::string& value, auto&& setter) {
    if (!value.empty()) setter(value);
  };
  set(options.storage_region, [&](const std::string& v) { storage.set_region(v); });
  set(options.storage_endpoint, [&](const std::string& v) { storage.set_endpoint(v); });
  set(options.storage_access_key_id, [&](const std::string& v) { storage.set_access_key_id(v); });
  set(options.storage_access_key_secret,
      [&](const std::string& v) { storage.set_access_key_secret(v); });
  set(options.storage_session_token, [&](const std::string& v) { storage.set_session_token(v); });
  set(options.storage_security_token, [&](const std::string& v) { storage.set_security_token(v); });
  set(options.storage_credential_path,
      [&](const std::string& v) { storage.set_credential_path(v); });
  set(options.storage_predefined_acl, [&](const std::string& v) { storage.set_predefined_acl(v); });
  if (options.storage_insecure_skip_verify) storage.set_insecure_skip_verify(true);
}

// What only sources other than http and https look at.
void SetSourceAccess(const DfgetOptions& options, pb::common::Download& download) {
  const auto url = Url::Parse(options.url);
  if (!url.ok()) return;
  static const std::set<std::string, std::less<>> kObjectStores = {"s3",  "gs",  "abs",
                                                                   "oss", "obs", "cos"};
  const std::string& scheme = url->scheme();
  if (kObjectStores.contains(scheme)) SetObjectStorage(options, *download.mutable_object_storage());
  if (scheme == "hdfs" && !options.hdfs_delegation_token.empty()) {
    download.mutable_hdfs()->set_delegation_token(options.hdfs_delegation_token);
  }
  if (scheme == "hf") {
    auto& hub = *download.mutable_hugging_face();
    hub.set_revision(options.hf_revision);
    hub.set_base_url(options.hf_base_url);
    if (!options.hf_token.empty()) hub.set_token(options.hf_token);
  }
  if (scheme == "modelscope") {
    auto& hub = *download.mutable_model_scope();
    hub.set_revision(options.ms_revision);
    hub.set_base_url(options.ms_base_url);
    if (!options.ms_token.empty()) hub.set_token(options.ms_token);
  }
}

pb::dfdaemon::DownloadTaskRequest MakeRequest(const DfgetOptions& options) {
  pb::dfdaemon::DownloadTaskRequest request;
  auto& download = *request.mutable_download();
  download.set_url(options.url);
  if (!options.digest.empty()) download.set_digest(options.digest);
  download.set_type(pb::common::STANDARD);
  download.set_tag(options.tag);
  download.set_application(options.application);
  download.set_priority(static_cast<pb::common::Priority>(options.priority));
  if (options.filtered_query_params.empty()) {
    for (const auto& name : DefaultFilteredQueryParams()) {
      download.add_filtered_query_params(std::string(name));
    }
  } else {
    for (const auto& name : options.filtered_query_params) download.add_filtered_query_params(name);
  }
  for (const auto& header : options.headers) {
    if (auto split = SplitHeader(header)) {
      (*download.mutable_request_header())[split->first] = split->second;
    }
  }
  if (options.piece_length) download.set_piece_length(*options.piece_length);
  if (options.transfer_from_dfdaemon) {
    download.set_need_piece_content(true);
  } else {
    download.set_output_path(options.output);
  }
  const auto timeout = options.timeout.value_or(kDfgetAcceptTimeout).count();
  download.mutable_timeout()->set_seconds(timeout / 1000);
  download.mutable_timeout()->set_nanos(static_cast<std::int32_t>(timeout % 1000 * 1'000'000));
  download.set_disable_back_to_source(options.disable_back_to_source);
  download.set_force_hard_link(options.force_hard_link);
  download.set_overwrite(options.overwrite);
  if (options.content_for_calculating_task_id) {
    download.set_content_for_calculating_task_id(*options.content_for_calculating_task_id);
  }
  SetSourceAccess(options, download);
  return request;
}

// What was at the output path before the daemon touched it, so that a failure removes only what
// this download made.
struct Before {
  bool existed = false;
  dev_t device = 0;
  ino_t inode = 0;

  static Before Of(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return {};
    return {true, info.st_dev, info.st_ino};
  }
  [[nodiscard]] bool SameAsNow(const std::string& path) const {
    const Before now = Of(path);
    return existed && now.existed && device == now.device && inode == now.inode;
  }
};

class DfgetRun {
 public:
  DfgetRun(const DfgetOptions& options, const ReportWriter& reports,
           const DfgetCallbacks& callbacks)
      : options_(options), reports_(reports), callbacks_(callbacks) {}

  DfgetResult Run() {
    const Before before = Before::Of(options_.output);
    const bool ok = Download();
    // The daemon hard-links before it answers; what stands there after a failure is this download's
    // unfinished file. Before the first answer, and when somebody else made the file, it is not
    // ours.
    if (!ok && started_ && !taken_ && !options_.transfer_from_dfdaemon &&
        !before.SameAsNow(options_.output)) {
      ::unlink(options_.output.c_str());
    }
    result_.ok = ok;
    return std::move(result_);
  }

 private:
  bool Download() {
    rpc::ChannelOptions channel_options;
    channel_options.authority = kAuthority;
    const auto channel = rpc::Connect("unix:" + options_.endpoint, channel_options);
    if (!channel.ok()) return Failed(channel.status());
    if (!(*channel)->WaitForConnected(std::chrono::system_clock::now() + kConnectTimeout)) {
      return Fail(reports_.ConnectFailed("ConnectError cause: transport error", options_.endpoint));
    }
    if (const absl::Status health = CheckService(*channel); !health.ok()) {
      return Fail(reports_.ConnectFailed(ToStd(health.message()), options_.endpoint));
    }
    const auto stub = pb::dfdaemon::DfdaemonDownload::NewStub(*channel);
    grpc::ClientContext context;
    const InterruptScope interrupt(callbacks_.interrupted, context);
    if (options_.timeout)
      context.set_deadline(std::chrono::system_clock::now() + *options_.timeout);
    AcceptWatchdog watchdog(context, options_.timeout.value_or(kDfgetAcceptTimeout));
    if (options_.transfer_from_dfdaemon) {
      auto created = OutputFile::Create(options_.output);
      if (!created.ok()) return Failed(created.status());
      file_.emplace(*std::move(created));
    }
    const auto reader = stub->DownloadTask(&context, MakeRequest(options_));
    pb::dfdaemon::DownloadTaskResponse response;
    absl::Status local;
    while (local.ok() && reader->Read(&response)) {
      watchdog.Accepted();
      local = Handle(response);
    }
    if (!local.ok()) context.TryCancel();
    const grpc::Status status = reader->Finish();
    if (!local.ok()) return Failed(local);
    if (!status.ok()) {
      taken_ = status.error_message().find("is already exists") != std::string::npos;
      return Fail(Describe(status, watchdog.expired()));
    }
    if (!started_ || !awaited_.empty()) {
      return Fail(reports_.Failed(kDownloadFailed, "unknown download incomplete"));
    }
    return FinishFile();
  }

  absl::Status Handle(const pb::dfdaemon::DownloadTaskResponse& response) {
    if (response.has_download_task_started_response()) {
      const auto& started = response.download_task_started_response();
      started_ = true;
      for (const auto& piece : started.pieces()) awaited_.insert(piece.number());
      if (callbacks_.started) callbacks_.started(started.content_length());
      return file_ ? file_->SetLength(started.content_length()) : absl::OkStatus();
    }
    if (!response.has_download_piece_finished_response()) return absl::OkStatus();
    const auto& piece = response.download_piece_finished_response().piece();
    awaited_.erase(piece.number());
    switch (piece.traffic_type()) {
      case pb::common::BACK_TO_SOURCE:
        result_.from_source += piece.length();
        break;
      case pb::common::REMOTE_PEER:
        result_.from_peers += piece.length();
        break;
      default:
        result_.local += piece.length();
    }
    if (file_) {
      if (!piece.has_content() || piece.content().size() != piece.length()) {
        return absl::InternalError("invalid parameter: a piece came without its content");
      }
      if (auto written = file_->WriteAt(piece.offset(), piece.content()); !written.ok()) {
        return written;
      }
    }
    if (callbacks_.piece) callbacks_.piece(piece.length());
    return absl::OkStatus();
  }

  bool FinishFile() {
    if (!file_) return true;
    if (!options_.digest.empty()) {
      const auto expected = ParseDigest(options_.digest);
      auto actual = file_->ComputeDigest(expected->algorithm);
      if (!actual.ok()) return Failed(actual.status());
      if (!Matches(*expected, *actual)) {
        return Fail(
            reports_.Failed(kDownloadFailed, StrCat("digest mismatch expected: ", options_.digest,
                                                    ", actual: ", actual->ToString())));
      }
    }
    const absl::Status committed = file_->Commit();
    return committed.ok() || Failed(committed);
  }

  std::string Describe(const grpc::Status& status, bool expired) const {
    if (auto details = ParseSourceErrorDetails(status.error_details())) {
      return reports_.SourceFailed(kDownloadFailed, details->status_code, details->message,
                                   details->headers);
    }
    if (expired) {
      return reports_.RpcFailed(kDownloadFailed, grpc::DEADLINE_EXCEEDED,
                                "the daemon did not accept the task in time", "");
    }
    return reports_.RpcFailed(kDownloadFailed, status.error_code(), status.error_message(),
                              status.error_details());
  }

  bool Fail(std::string report) {
    result_.report = std::move(report);
    return false;
  }
  bool Failed(const absl::Status& status) {
    return Fail(reports_.Failed(kDownloadFailed, ToStd(status.message())));
  }

  const DfgetOptions& options_;
  const ReportWriter& reports_;
  const DfgetCallbacks& callbacks_;
  DfgetResult result_;
  bool started_ = false;
  bool taken_ = false;  ///< Somebody else has made the output file meanwhile.
  std::set<std::uint32_t> awaited_;
  std::optional<OutputFile> file_;
};

}  // namespace

DfgetResult RunDfget(const DfgetOptions& options, const ReportWriter& reports,
                     const DfgetCallbacks& callbacks) {
  return DfgetRun(options, reports, callbacks).Run();
}

}  // namespace dragonfly::dfdaemon
