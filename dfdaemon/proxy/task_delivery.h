#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/async/notifier.h"
#include "common/http/server.h"
#include "dfdaemon/proxy/admission.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

/// Answers a request with the bytes of a task: downloads it and sends the pieces in order as they
/// arrive, from the content file by sendfile. The head waits for the first piece, so that a failure
/// before it has a status of its own; the last bytes wait for the end of the download, so that no
/// client takes content whose digest is wrong for whole. Used on the executor of the connection.
class TaskDelivery {
 public:
  struct Collaborators {
    asio::any_io_executor io;  ///< Where TaskManager lives.
    TaskManager& tasks;
    Storage& storage;
    Admission& admission;
    BlockingPool& disk;
  };
  struct Options {
    std::string server_ip;  ///< For X-Dragonfly-Server-IP.
    std::chrono::milliseconds first_byte_timeout{120'000};
  };
  TaskDelivery(Options options, Collaborators with) : options_(std::move(options)), with_(with) {}

  /// `headers` are the client's, for conditions. OK when the client got an answer, also a refusal by
  /// the origin; else why not. Cancelled: the client left. Unless `responder` has begun, the caller
  /// answers.
  Awaitable<absl::Status> Run(DownloadRequest request, HttpHeaders headers,
                              HttpResponder& responder);

  /// The head for a HEAD request from what is on the disk, for when its origin cannot be asked;
  /// nothing when the task is not complete here or the caller is not known to be admitted.
  Awaitable<std::optional<HttpResponseHead>> HeadFromDisk(DownloadRequest request);

 private:
  // A Download that is destroyed where it lives.
  struct DeleteOnIo {
    asio::any_io_executor io;
    void operator()(Download* download) const;
  };
  struct Running {
    std::unique_ptr<Download, DeleteOnIo> download;
    DownloadStarted started;
    std::shared_ptr<StoredTask> stored;
  };
  struct Known {
    TaskId id;
    std::shared_ptr<StoredTask> stored;  ///< Null when the task is new here.
  };
  // How the pump tells the sender; on the connection's executor.
  struct Feed {
    explicit Feed(asio::any_io_executor executor) : changed(std::move(executor)) {}
    Notifier changed;
    bool ended = false;
    absl::Status status;
  };

  Awaitable<absl::StatusOr<Known>> LookUp(DownloadRequest request);
  Awaitable<absl::StatusOr<Running>> Start(DownloadRequest request);
  Awaitable<absl::StatusOr<Running>> StartAdmitted(DownloadRequest request, const Known& known);
  Awaitable<absl::Status> PumpOnIo(Download& download, Notifier changed);
  Awaitable<> Pump(Download& download, Feed& feed);
  Awaitable<> Deliver(const Running& running, Feed& feed, HttpResponder& responder,
                      absl::Status& result);
  Awaitable<absl::Status> Send(const Running& running, Feed& feed, HttpResponder& responder);
  Awaitable<absl::Status> WaitForPiece(const Running& running, Feed& feed, PieceNumber number,
                                       SteadyTime deadline);
  Awaitable<absl::Status> WaitForEnd(Feed& feed, SteadyTime deadline);
  /// Begins the answer when that has not happened.
  Awaitable<absl::Status> SendRegion(const Running& running, std::uint64_t offset,
                                     std::uint64_t length, HttpResponder& responder);

  const Options options_;
  const Collaborators with_;
};

}  // namespace dragonfly::dfdaemon
