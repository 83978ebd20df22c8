#include "dfdaemon/source/origin_sink.h"

#include "dfdaemon/source/answer_check.h"

namespace dragonfly::dfdaemon {
namespace {

// Ends a transfer whose body nobody needs; never leaves this folder.
absl::Status Enough() { return absl::CancelledError("the rest is not needed"); }

}  // namespace

void OriginSink::Begin() {
  head_.reset();
  redirect_.reset();
  verdict_ = absl::OkStatus();
  failure_ = absl::OkStatus();
  satisfied_ = false;
  draining_ = false;
  drained_ = 0;
}

absl::Status OriginSink::OnHead(const HttpClientResponse& head) {
  head_ = head;
  redirect_ = RedirectTarget(head);
  if (!redirect_) {
    verdict_ = Accept(head);
    if (verdict_.ok() && !satisfied_) return absl::OkStatus();
  }
  draining_ = true;
  const auto length = ContentLength(head);
  return length && *length <= kDrainBytes ? absl::OkStatus() : Enough();
}

absl::StatusOr<HttpBodySink::Flow> OriginSink::OnBody(std::span<const std::byte> bytes) {
  if (draining_) {
    drained_ += bytes.size();
    if (drained_ > kDrainBytes) return Enough();
    return Flow::kContinue;
  }
  failure_ = Take(bytes);
  if (!failure_.ok()) return failure_;
  if (satisfied_) return Enough();
  return meter_.Count(bytes.size()) ? Flow::kContinue : Flow::kPause;
}

}  // namespace dragonfly::dfdaemon
