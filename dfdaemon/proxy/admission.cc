#include "dfdaemon/proxy/admission.h"

#include <utility>

#include "common/async/run_on.h"

namespace dragonfly::dfdaemon {
namespace {

// No answer, or one that says nothing about this caller.
bool OriginCannotSay(const absl::Status& status) {
  const auto error = GetSourceError(status);
  if (!error) return !absl::IsInvalidArgument(status);
  return !error->status_code || *error->status_code >= 500 || *error->status_code == 429;
}

}  // namespace

Admission::Admission(AdmissionLimits limits, asio::any_io_executor executor, const Clock& clock,
                     Source& source)
    : executor_(executor),
      clock_(clock),
      source_(source),
      cache_(limits),
      group_(std::move(executor)),
      flights_(group_) {}

Awaitable<absl::Status> Admission::Check(SourceRequest request) {
  co_return co_await RunOn(executor_, CheckHere(std::move(request)));
}

Awaitable<> Admission::Remember(SourceRequest request) {
  co_await RunOn(executor_, RememberHere(std::move(request)));
}

Awaitable<absl::Status> Admission::CheckHere(SourceRequest request) {
  AdmissionKey key = MakeAdmissionKey(request.task_id, request.url, request.headers);
  if (cache_.IsFresh(key, clock_.Now())) co_return absl::OkStatus();
  std::string flight = key.text;
  auto start = [this, &request, &key] { return Ask(std::move(request), std::move(key)); };
  co_return co_await flights_.Do(std::move(flight), start);
}

Awaitable<absl::Status> Admission::Ask(SourceRequest request, AdmissionKey key) {
  const auto stat = co_await source_.Stat(std::move(request));
  if (stat.ok()) {
    cache_.Admitted(key, clock_.Now());
    co_return absl::OkStatus();
  }
  if (!OriginCannotSay(stat.status())) {
    cache_.Refused(key);
    co_return stat.status();
  }
  if (cache_.StandsWithoutOrigin(key, clock_.Now())) co_return absl::OkStatus();
  co_return stat.status();
}

Awaitable<> Admission::RememberHere(SourceRequest request) {
  cache_.Admitted(MakeAdmissionKey(request.task_id, request.url, request.headers), clock_.Now());
  co_return;
}

Awaitable<> Admission::Stop() { co_await group_.Stop(); }

}  // namespace dragonfly::dfdaemon
