#include "common/http/curl_engine.h"

#include <chrono>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>

#include "common/base/check.h"
#include "common/http/curl_transfer.h"

namespace dragonfly::internal {
namespace {

void InitCurlOnce() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  DF_CHECK(result == CURLE_OK);
}

}  // namespace

// A socket of curl's, which it opens and closes; the descriptor only watches it.
struct CurlEngine::Watch {
  Watch(const asio::any_io_executor& executor, int its_fd) : descriptor(executor), fd(its_fd) {}
  asio::posix::stream_descriptor descriptor;
  const int fd;
  int wanted = 0;
  bool reading = false;
  bool writing = false;
  bool removed = false;
};

CurlEngine::CurlEngine(const HttpClientOptions& options, asio::any_io_executor executor)
    : options_(options), executor_(std::move(executor)), timer_(executor_) {
  InitCurlOnce();
  multi_ = curl_multi_init();
  DF_CHECK(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlEngine::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlEngine::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.idle_connections_max));
}

CurlEngine::~CurlEngine() { Stop(); }

absl::Status CurlEngine::Add(CURL* easy, CurlTransfer* transfer) {
  if (multi_ == nullptr) return absl::CancelledError("the HTTP client is stopped");
  if (const CURLMcode code = curl_multi_add_handle(multi_, easy); code != CURLM_OK) {
    return absl::InternalError(curl_multi_strerror(code));
  }
  transfers_.insert(transfer);
  return absl::OkStatus();
}

void CurlEngine::Remove(CURL* easy, CurlTransfer* transfer) {
  if (transfers_.erase(transfer) == 0) return;
  curl_multi_remove_handle(multi_, easy);
}

void CurlEngine::Stop() {
  if (multi_ == nullptr) return;
  const std::vector<CurlTransfer*> running(transfers_.begin(), transfers_.end());
  for (CurlTransfer* transfer : running) {
    transfer->Fail(absl::CancelledError("the HTTP client stops"));
  }
  curl_multi_cleanup(std::exchange(multi_, nullptr));
  for (auto& [fd, watch] : watches_) {
    watch->removed = true;
    watch->descriptor.release();
  }
  watches_.clear();
  ++timer_generation_;
  timer_.cancel();
}

int CurlEngine::OnSocket(CURL* /*easy*/, curl_socket_t fd, int what, void* self,
                         void* /*socket_data*/) {
  return static_cast<CurlEngine*>(self)->Want(fd, what) ? 0 : -1;
}

int CurlEngine::OnTimer(CURLM* /*multi*/, long timeout_ms, void* self) {
  static_cast<CurlEngine*>(self)->SetTimer(timeout_ms);
  return 0;
}

bool CurlEngine::Want(int fd, int what) {
  auto found = watches_.find(fd);
  if (what == CURL_POLL_REMOVE) {
    if (found == watches_.end()) return true;
    found->second->removed = true;
    // Curl closes or keeps the socket; here it only stops being watched.
    found->second->descriptor.release();
    watches_.erase(found);
    return true;
  }
  if (found == watches_.end()) {
    auto watch = std::make_shared<Watch>(executor_, fd);
    boost::system::error_code error;
    watch->descriptor.assign(fd, error);
    if (error) return false;
    found = watches_.emplace(fd, std::move(watch)).first;
  }
  found->second->wanted = what;
  Arm(found->second);
  return true;
}

void CurlEngine::Arm(const std::shared_ptr<Watch>& watch) {
  const auto wait = [this, &watch](asio::posix::stream_descriptor::wait_type type, int events,
                                   bool Watch::* waiting) {
    if ((*watch).*waiting) return;
    (*watch).*waiting = true;
    watch->descriptor.async_wait(
        type, [weak = weak_from_this(), watch, events, waiting](boost::system::error_code error) {
          (*watch).*waiting = false;
          const auto self = weak.lock();
          if (self == nullptr || watch->removed) return;
          // An error of the wait is an error of the socket: curl finds out which.
          self->OnReady(watch, error ? events | CURL_CSELECT_ERR : events);
        });
  };
  if ((watch->wanted & CURL_POLL_IN) != 0) {
    wait(asio::posix::stream_descriptor::wait_read, CURL_CSELECT_IN, &Watch::reading);
  }
  if ((watch->wanted & CURL_POLL_OUT) != 0) {
    wait(asio::posix::stream_descriptor::wait_write, CURL_CSELECT_OUT, &Watch::writing);
  }
}

void CurlEngine::OnReady(const std::shared_ptr<Watch>& watch, int events) {
  const bool wanted = ((events & CURL_CSELECT_IN) != 0 && (watch->wanted & CURL_POLL_IN) != 0) ||
                      ((events & CURL_CSELECT_OUT) != 0 && (watch->wanted & CURL_POLL_OUT) != 0);
  if (wanted) Run(watch->fd, events);
  if (!watch->removed) Arm(watch);
}

void CurlEngine::SetTimer(long timeout_ms) {
  const std::uint64_t generation = ++timer_generation_;
  const auto fire = [weak = weak_from_this(), generation] {
    const auto self = weak.lock();
    if (self != nullptr && self->timer_generation_ == generation) self->OnTimeout();
  };
  if (timeout_ms < 0) {
    timer_.cancel();
  } else if (timeout_ms == 0) {
    asio::post(executor_, fire);
  } else {
    timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    timer_.async_wait([fire](boost::system::error_code error) {
      if (!error) fire();
    });
  }
}

void CurlEngine::OnTimeout() { Run(CURL_SOCKET_TIMEOUT, 0); }

void CurlEngine::Run(int fd, int events) {
  if (multi_ == nullptr) return;
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    char* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    // The message dies with the handle that OnDone removes.
    const CURLcode code = message->data.result;
    reinterpret_cast<CurlTransfer*>(transfer)->OnDone(code);
  }
}

}  // namespace dragonfly::internal
