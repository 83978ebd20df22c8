#include "dfdaemon/source/http_source.h"

#include <algorithm>
#include <utility>

#include "common/async/sleep.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/net/range.h"
#include "dfdaemon/source/answer_check.h"
#include "dfdaemon/source/content_sinks.h"
#include "dfdaemon/source/spool.h"

namespace dragonfly::dfdaemon {

/// What the requests of one call have in common.
struct HttpSource::Call {
  const SourceRequest* request = nullptr;
  Url url;
  HeaderList headers;
  std::string method = "GET";
  std::string ca_pem;
  std::string redirect_key;
  bool use_known_redirect = true;
  bool keep_redirect = true;

  explicit Call(Url its_url) : url(std::move(its_url)) {}
};

struct HttpSource::Attempt {
  absl::Status status;
  bool transient = false;  ///< Asking again may help.
  std::chrono::milliseconds wait{0};

  explicit Attempt(absl::Status its_status) : status(std::move(its_status)) {}
};

/// Counts one call of the source, whatever way it ends.
class HttpSource::Measured {
 public:
  Measured(const Collaborators& with, std::string scheme, SourceOperation operation)
      : with_(with), scheme_(std::move(scheme)), operation_(operation), began_(with.clock.Now()) {
    with_.metrics.Requested(scheme_, operation_);
  }
  ~Measured() {
    if (succeeded_) {
      with_.metrics.Took(scheme_, operation_, with_.clock.Now() - began_);
    } else {
      with_.metrics.Failed(scheme_, operation_);
    }
  }
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;

  void Note(const absl::Status& status) { succeeded_ = status.ok(); }

 private:
  const Collaborators& with_;
  const std::string scheme_;
  const SourceOperation operation_;
  const SteadyTime began_;
  bool succeeded_ = false;
};

HttpSource::HttpSource(HttpSourceOptions options, Collaborators with)
    : options_(std::move(options)),
      with_(std::move(with)),
      redirects_(options_.cache_redirects ? options_.redirect_entries_max : 0,
                 options_.redirect_ttl, with_.clock),
      random_(Random::FromSystem()) {}

HttpSource::~HttpSource() = default;

absl::StatusOr<HttpSource::Call> HttpSource::Prepare(const SourceRequest& request,
                                                     bool is_stat) const {
  auto url = Url::Parse(request.url);
  if (!url.ok()) {
    return absl::InvalidArgumentError(StrCat("invalid parameter: URL: ", ToStd(url.status().message())));
  }
  if (url->scheme() != "http" && url->scheme() != "https") {
    return absl::InvalidArgumentError(
        StrCat("invalid parameter: URL scheme \"", url->scheme(), "\" is not supported"));
  }
  Call call(*std::move(url));
  call.url.ClearFragment();
  call.request = &request;
  call.headers = OriginHeaders(request.headers, options_.headers);
  if (!is_stat) RemoveConditions(call.headers);
  call.ca_pem = PemFromDer(request.certificate_chain);
  // A Stat asks the origin itself, so that it also tells whether these credentials are admitted.
  call.use_known_redirect = !is_stat;
  // Where somebody else's credentials led to is not for this caller.
  const auto value = [&call](std::string_view name) {
    return std::string(FindHeader(call.headers, name).value_or(""));
  };
  call.redirect_key = StrCat(request.task_id.str(), "\n", call.url.Href(), "\n",
                             value("Authorization"), "\n", value("Cookie"));
  return call;
}

Awaitable<absl::StatusOr<SourceStat>> HttpSource::Stat(SourceRequest request) {
  auto call = Prepare(request, true);
  if (!call.ok()) co_return call.status();
  Measured measured(with_, call->url.scheme(), SourceOperation::kStat);
  if (options_.stat_by_head) {
    if (auto told = co_await StatByHead(*call)) {
      measured.Note(absl::OkStatus());
      co_return *std::move(told);
    }
  }
  auto stat = co_await StatByGet(*call);
  measured.Note(stat.status());
  co_return stat;
}

Awaitable<std::optional<SourceStat>> HttpSource::StatByHead(const Call& call) {
  Call ask_head = call;
  ask_head.method = "HEAD";
  // What a redirect of HEAD leads to may be signed for HEAD.
  ask_head.keep_redirect = false;
  StatSink no_body(with_.limiters, false);
  // Once, without retries: whatever goes wrong, the GET finds out and tells.
  if (!(co_await SendOnce(ask_head, no_body)).status.ok()) co_return std::nullopt;
  auto stat = ReadStat(no_body.head());
  if (!stat.ok() || stat->content_length.value_or(0) == 0) co_return std::nullopt;
  if (FindHeader(no_body.head().headers, "Accept-Ranges").value_or("") != "bytes") {
    co_return std::nullopt;
  }
  stat->supports_ranges = true;
  co_return *std::move(stat);
}

Awaitable<absl::StatusOr<SourceStat>> HttpSource::StatByGet(const Call& call) {
  StatSink ranged(with_.limiters, true);
  CO_RETURN_IF_ERROR(co_await Send(call, ranged));
  HttpClientResponse head = ranged.head();
  if (head.status_code == 416) {
    // An empty object has no first byte.
    StatSink whole(with_.limiters, false);
    CO_RETURN_IF_ERROR(co_await Send(call, whole));
    head = whole.head();
  }
  CO_ASSIGN_OR_RETURN(SourceStat stat, ReadStat(head));
  if (stat.content_length) co_return stat;
  Call ask_head = call;
  ask_head.method = "HEAD";
  ask_head.keep_redirect = false;
  StatSink no_body(with_.limiters, false);
  if (!(co_await Send(ask_head, no_body)).ok()) co_return stat;
  const auto from_head = ReadStat(no_body.head());
  // Programs that make content as they go like to say 0 here, which would cut it off unseen; any
  // other wrong number shows when the content is read.
  if (from_head.ok() && from_head->content_length.value_or(0) > 0) {
    stat.content_length = from_head->content_length;
    SetHeader(stat.headers, "Content-Length", absl::StrCat(*stat.content_length));
  }
  co_return stat;
}

Awaitable<absl::Status> HttpSource::FetchPiece(SourceRequest request, std::uint64_t total_length,
                                               PieceWriter& writer) {
  if (writer.written() == writer.length()) co_return absl::OkStatus();
  PieceSink sink(with_.limiters, total_length, request.etag, writer);
  co_return co_await FetchContent(std::move(request), sink);
}

Awaitable<absl::Status> HttpSource::FetchAll(SourceRequest request, std::uint64_t total_length,
                                             std::uint64_t piece_length, PieceSequence& pieces) {
  if (total_length == 0) co_return absl::OkStatus();
  if (piece_length == 0) co_return absl::InvalidArgumentError("piece length is 0");
  SequenceSink sink(with_.limiters, total_length, piece_length, request.etag, pieces);
  co_return co_await FetchContent(std::move(request), sink);
}

Awaitable<absl::StatusOr<std::unique_ptr<SpooledContent>>> HttpSource::Spool(
    SourceRequest request, std::string directory, std::uint64_t length_max) {
  CO_ASSIGN_OR_RETURN(auto file, SpoolFile::Create(directory));
  SpoolSink sink(with_.limiters, length_max, *file);
  CO_RETURN_IF_ERROR(co_await FetchContent(std::move(request), sink));
  co_return std::unique_ptr<SpooledContent>(std::move(file));
}

Awaitable<absl::Status> HttpSource::FetchContent(SourceRequest request, OriginSink& sink) {
  auto call = Prepare(request, false);
  if (!call.ok()) co_return call.status();
  Measured measured(with_, call->url.scheme(), SourceOperation::kGet);
  const absl::Status status = co_await Send(*call, sink);
  measured.Note(status);
  if (status.ok()) co_await sink.Settle();
  co_return status;
}

Awaitable<absl::Status> HttpSource::Send(const Call& call, OriginSink& sink) {
  for (unsigned retry = 0;; ++retry) {
    const Attempt attempt = co_await SendOnce(call, sink);
    if (attempt.status.ok() || !attempt.transient || retry >= options_.retries_max) {
      co_return attempt.status;
    }
    with_.log.Warn("ask the source again", {{"task_id", call.request->task_id.str()},
                                            {"url", call.url.ForLog()},
                                            {"error", ToStd(attempt.status.message())}});
    co_await SleepFor(std::max(attempt.wait, Backoff(retry)));
  }
}

Awaitable<HttpSource::Attempt> HttpSource::SendOnce(const Call& call, OriginSink& sink) {
  Url target = call.url;
  bool known = false;
  if (call.use_known_redirect) {
    if (const auto found = redirects_.Find(call.redirect_key)) {
      if (auto url = Url::Parse(*found); url.ok()) {
        target = *std::move(url);
        known = true;
      }
    }
  }
  bool foreign = target.Origin() != call.url.Origin();
  unsigned hops = 0;
  while (true) {
    Attempt attempt = co_await SendTo(call, target, foreign, sink);
    if (sink.redirect()) {
      if (hops++ >= options_.redirects_max) {
        co_return Attempt(
            SourceLies(StrCat("source: more than ", options_.redirects_max, " redirects")));
      }
      auto next = target.Resolve(*sink.redirect());
      if (!next.ok() || (next->scheme() != "http" && next->scheme() != "https")) {
        co_return Attempt(SourceLies("source redirects to a URL that is not HTTP"));
      }
      target = *std::move(next);
      target.ClearFragment();
      // Once elsewhere, credentials stay away even when the way leads back.
      foreign = foreign || target.Origin() != call.url.Origin();
      known = false;
      continue;
    }
    if (attempt.status.ok()) {
      if (hops > 0 && call.keep_redirect) redirects_.Put(call.redirect_key, target.Href());
      co_return attempt;
    }
    if (known && sink.failure().ok()) {
      // The target's signature may have run out: ask the origin where to go now.
      redirects_.Drop(call.redirect_key);
      target = call.url;
      foreign = false;
      known = false;
      continue;
    }
    co_return attempt;
  }
}

Awaitable<HttpSource::Attempt> HttpSource::SendTo(const Call& call, const Url& target,
                                                  bool foreign, OriginSink& sink) {
  sink.Begin();
  HttpClientRequest http;
  http.method = call.method;
  http.url = target.Href();
  http.headers = call.headers;
  if (foreign) RemoveCredentials(http.headers);
  if (const auto range = sink.NextRange()) {
    http.headers.emplace_back("Range", FormatRangeHeader(*range));
  }
  http.insecure = !options_.verify_tls && call.ca_pem.empty();
  http.extra_ca_pem = call.ca_pem;
  http.timeouts.head = call.request->timeout;
  http.timeouts.connect = options_.connect_timeout;
  if (call.request->timeout.count() > 0) {
    http.timeouts.connect = std::min(options_.connect_timeout, call.request->timeout);
  }
  http.timeouts.idle = options_.idle_timeout;

  const auto result = co_await with_.client.Fetch(std::move(http), sink);
  if (!sink.failure().ok()) co_return Attempt(sink.failure());
  if (sink.redirect() || (sink.answered() && sink.verdict().ok() && sink.IsFull())) {
    co_return Attempt(absl::OkStatus());
  }
  if (!sink.verdict().ok()) {
    Attempt attempt(sink.verdict());
    attempt.transient = IsTransient(sink.head());
    attempt.wait = RetryAfter(sink.head(), options_.backoff_max);
    co_return attempt;
  }
  Attempt attempt(result.ok() ? sink.Complete() : TransportFailure(result.status()));
  attempt.transient = attempt.status.code() == absl::StatusCode::kUnavailable ||
                      attempt.status.code() == absl::StatusCode::kDataLoss ||
                      attempt.status.code() == absl::StatusCode::kDeadlineExceeded;
  co_return attempt;
}

std::chrono::milliseconds HttpSource::Backoff(unsigned retry) {
  auto longest = options_.backoff_min;
  for (unsigned i = 0; i < retry && longest < options_.backoff_max; ++i) longest *= 2;
  longest = std::min(longest, options_.backoff_max);
  // From half of it on: many downloads that failed together shall not come back together.
  const auto half = static_cast<std::uint64_t>(longest.count() / 2);
  const MutexLock lock(random_mutex_);
  return std::chrono::milliseconds(half + random_.Below(half + 1));
}

}  // namespace dragonfly::dfdaemon
