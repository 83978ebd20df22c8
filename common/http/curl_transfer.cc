#include "common/http/curl_transfer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/http/curl_request.h"

namespace dragonfly::internal {

CurlTransfer::CurlTransfer(std::shared_ptr<CurlEngine> engine, HttpClientRequest request,
                           HttpBodySink& sink, std::size_t receive_buffer_bytes)
    : engine_(std::move(engine)),
      request_(std::move(request)),
      sink_(sink),
      receive_buffer_bytes_(receive_buffer_bytes),
      easy_(curl_easy_init()),
      changed_(engine_->executor()),
      head_reader_(request_.max_redirects > 0),
      watchdog_(engine_->executor()) {
  DF_CHECK(easy_ != nullptr);
}

CurlTransfer::~CurlTransfer() {
  engine_->Remove(easy_, this);
  curl_easy_cleanup(easy_);
  curl_slist_free_all(header_list_);
}

absl::Status CurlTransfer::Start() {
  RETURN_IF_ERROR(CheckRequest(request_));
  CurlRequestSettings settings{engine_->options(), receive_buffer_bytes_};
  RETURN_IF_ERROR(ApplyRequest(request_, settings, easy_, header_list_));
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &CurlTransfer::OnHeaderLine);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &CurlTransfer::OnBodyBytes);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &CurlTransfer::OnBodyWanted);
  curl_easy_setopt(easy_, CURLOPT_READDATA, this);
  if (request_.body_kind != HttpClientRequest::Body::kStreamed) {
    // Lets curl send the body again when a kept connection turns out to be dead.
    curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &CurlTransfer::OnSeek);
    curl_easy_setopt(easy_, CURLOPT_SEEKDATA, this);
    body_ = AsBytes(request_.body);
    body_finished_ = true;
  }
  started_at_ = active_at_ = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(engine_->Add(easy_, this));
  ArmWatchdog();
  return absl::OkStatus();
}

void CurlTransfer::Fail(absl::Status status) {
  if (done()) return;
  engine_->Remove(easy_, this);
  watchdog_.cancel();
  result_ = std::move(status);
  changed_.Notify();
}

void CurlTransfer::OnDone(CURLcode code) {
  char* url = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_EFFECTIVE_URL, &url);
  if (url != nullptr) head_reader_.head().effective_url = url;
  Fail(StatusOf(code));
}

absl::Status CurlTransfer::StatusOf(CURLcode code) const {
  if (!sink_status_.ok()) return sink_status_;
  if (code == CURLE_OK) {
    if (has_head()) return absl::OkStatus();
    return absl::DataLossError("the answer has no complete head");
  }
  return StatusFromCurl(code, error_text_, has_head());
}

std::size_t CurlTransfer::OnHeaderLine(char* data, std::size_t size, std::size_t count,
                                       void* self) {
  const bool taken = static_cast<CurlTransfer*>(self)->TakeHeaderLine({data, size * count});
  return taken ? size * count : 0;
}

bool CurlTransfer::TakeHeaderLine(std::string_view line) {
  active_at_ = std::chrono::steady_clock::now();
  const auto progress = head_reader_.OnLine(line);
  if (!progress.ok()) {
    sink_status_ = progress.status();
    return false;
  }
  if (*progress == ResponseHeadReader::Progress::kMore) return true;
  char* url = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_EFFECTIVE_URL, &url);
  if (url != nullptr) head_reader_.head().effective_url = url;
  changed_.Notify();
  sink_status_ = sink_.OnHead(head_reader_.head());
  return sink_status_.ok();
}

std::size_t CurlTransfer::OnBodyBytes(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<CurlTransfer*>(self)->TakeBody(
      std::as_bytes(std::span(data, size * count)));
}

std::size_t CurlTransfer::TakeBody(std::span<const std::byte> bytes) {
  active_at_ = std::chrono::steady_clock::now();
  // The sink asked for a pause: what curl had received already stays with curl.
  if (sink_paused_) {
    receive_paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (bytes.empty()) return 0;
  const auto flow = sink_.OnBody(bytes);
  if (!flow.ok()) {
    sink_status_ = flow.status();
    // Any number but the right one stops the transfer.
    return bytes.size() + 1;
  }
  if (*flow == HttpBodySink::Flow::kPause) {
    sink_paused_ = true;
    changed_.Notify();
  }
  return bytes.size();
}

void CurlTransfer::Resume() {
  if (!sink_paused_) return;
  sink_paused_ = false;
  active_at_ = std::chrono::steady_clock::now();
  if (!std::exchange(receive_paused_, false)) return;
  Unpause();
}

void CurlTransfer::Unpause() {
  if (done()) return;
  const int still = (receive_paused_ ? CURLPAUSE_RECV : 0) | (send_paused_ ? CURLPAUSE_SEND : 0);
  // Hands over what curl kept, from inside this call.
  const CURLcode code = curl_easy_pause(easy_, still);
  if (code != CURLE_OK) Fail(StatusOf(code));
}

void CurlTransfer::OfferBody(std::span<const std::byte> bytes) {
  body_ = bytes;
  if (bytes.empty() || !std::exchange(send_paused_, false)) return;
  active_at_ = std::chrono::steady_clock::now();
  Unpause();
}

void CurlTransfer::FinishBody() {
  body_finished_ = true;
  if (!std::exchange(send_paused_, false)) return;
  active_at_ = std::chrono::steady_clock::now();
  Unpause();
}

std::size_t CurlTransfer::OnBodyWanted(char* data, std::size_t size, std::size_t count,
                                       void* self) {
  return static_cast<CurlTransfer*>(self)->GiveBody(
      std::as_writable_bytes(std::span(data, size * count)));
}

std::size_t CurlTransfer::GiveBody(std::span<std::byte> out) {
  active_at_ = std::chrono::steady_clock::now();
  if (body_.empty()) {
    if (body_finished_) return 0;
    send_paused_ = true;
    return CURL_READFUNC_PAUSE;
  }
  const std::size_t count = std::min(out.size(), body_.size());
  std::memcpy(out.data(), body_.data(), count);
  body_ = body_.subspan(count);
  if (body_.empty()) changed_.Notify();
  return count;
}

int CurlTransfer::OnSeek(void* self, curl_off_t offset, int origin) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  const auto whole = AsBytes(transfer->request_.body);
  if (origin != SEEK_SET || offset < 0 || static_cast<std::size_t>(offset) > whole.size()) {
    return CURL_SEEKFUNC_CANTSEEK;
  }
  transfer->body_ = whole.subspan(static_cast<std::size_t>(offset));
  return CURL_SEEKFUNC_OK;
}

void CurlTransfer::ArmWatchdog() {
  const HttpClientTimeouts& limits = request_.timeouts;
  SteadyTime next = SteadyTime::max();
  if (limits.head.count() > 0 && !has_head()) next = std::min(next, started_at_ + limits.head);
  if (limits.idle.count() > 0) next = std::min(next, active_at_ + limits.idle);
  if (next == SteadyTime::max()) return;
  watchdog_.expires_at(next);
  watchdog_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!error && self != nullptr && !self->done()) self->OnWatchdog();
  });
}

void CurlTransfer::OnWatchdog() {
  const HttpClientTimeouts& limits = request_.timeouts;
  const SteadyTime now = std::chrono::steady_clock::now();
  if (limits.head.count() > 0 && !has_head() && now >= started_at_ + limits.head) {
    return Fail(absl::DeadlineExceededError(
        StrCat("no response head within ", limits.head.count(), " ms")));
  }
  // While the caller holds the bytes back or gives none, nobody else is to blame for the silence.
  if (sink_paused_ || send_paused_) active_at_ = now;
  if (limits.idle.count() > 0 && now >= active_at_ + limits.idle) {
    return Fail(absl::DeadlineExceededError(
        StrCat("no byte within ", limits.idle.count(), " ms")));
  }
  ArmWatchdog();
}

}  // namespace dragonfly::internal
