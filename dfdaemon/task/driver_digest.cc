// The part of Driver that decides whether a whole content is what it must be.

#include <algorithm>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "dfdaemon/task/download_plan.h"
#include "dfdaemon/task/driver.h"

namespace dragonfly::dfdaemon {
namespace {

// Contents with a wrong digest before a download gives up.
constexpr int kBadContentsAllowed = 2;

const Digest* Find(const std::vector<Digest>& digests, DigestAlgorithm algorithm) {
  for (const Digest& digest : digests) {
    if (digest.algorithm == algorithm) return &digest;
  }
  return nullptr;
}

bool Covers(const std::vector<Digest>& digests, const std::vector<DigestAlgorithm>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](DigestAlgorithm algorithm) {
    return Find(digests, algorithm) != nullptr;
  });
}

absl::Status Mismatch(const Digest& expected, const Digest& actual) {
  return absl::DataLossError(StrCat("digest mismatch expected: ", expected.ToString(),
                                    ", actual: ", actual.ToString()));
}

}  // namespace

std::vector<DigestAlgorithm> Driver::WantedAlgorithms() const {
  std::vector<DigestAlgorithm> wanted;
  auto add = [&wanted](DigestAlgorithm algorithm) {
    if (std::find(wanted.begin(), wanted.end(), algorithm) == wanted.end()) {
      wanted.push_back(algorithm);
    }
  };
  if (start_.blob_digest) add(start_.blob_digest->algorithm);
  for (const auto& caller : callers_) {
    if (caller->whole() && caller->wish().digest) add(caller->wish().digest->algorithm);
  }
  return wanted;
}

Awaitable<absl::StatusOr<std::vector<Digest>>> Driver::DigestsOf(
    std::vector<DigestAlgorithm> wanted) {
  const TaskKind kind = start_.stored->spec().kind;
  const TaskId& id = start_.stored->spec().id;
  std::vector<Digest> digests;
  if (fetched_) {
    env_.digests.Forget(kind, id);
  } else {
    for (const DigestAlgorithm algorithm : wanted) {
      if (auto known = env_.digests.Get(kind, id, algorithm)) digests.push_back(*std::move(known));
    }
  }
  if (hasher_ != nullptr) {
    CO_ASSIGN_OR_RETURN(std::vector<Digest> streamed, co_await hasher_->Finish());
    for (Digest& digest : streamed) digests.push_back(std::move(digest));
    hasher_.reset();
  }
  std::erase_if(wanted,
                [&](DigestAlgorithm algorithm) { return Find(digests, algorithm) != nullptr; });
  if (!wanted.empty()) {
    ContentHasher rest(start_.stored, env_.with.disk, wanted);
    CO_ASSIGN_OR_RETURN(std::vector<Digest> read, co_await rest.Finish());
    for (Digest& digest : read) digests.push_back(std::move(digest));
  }
  for (const Digest& digest : digests) env_.digests.Put(kind, id, digest);
  co_return digests;
}

Awaitable<absl::StatusOr<bool>> Driver::Judge() {
  if (!start_.stored->complete()) {
    hasher_.reset();
    co_return true;  // A range; its pieces have checksums.
  }
  std::vector<Digest> digests;
  // Whoever joins while the content is read may want another algorithm.
  for (auto wanted = WantedAlgorithms(); !Covers(digests, wanted); wanted = WantedAlgorithms()) {
    auto read = co_await DigestsOf(wanted);
    if (absl::IsDataLoss(read.status()) && ++bad_contents_ <= kBadContentsAllowed) {
      co_await DropDamaged();
      co_return false;
    }
    if (!read.ok()) co_return read.status();
    digests = *std::move(read);
  }
  bool blob_holds = false;
  if (start_.blob_digest) {
    const Digest* actual = Find(digests, start_.blob_digest->algorithm);
    CO_ASSIGN_OR_RETURN(blob_holds, JudgeBlob(*actual));
    if (!blob_holds) co_return false;
  }
  co_return JudgeCallers(digests, blob_holds);
}

// Bytes that cannot be read back, or a piece that was dropped meanwhile: the next round gets them again.
Awaitable<> Driver::DropDamaged() {
  for (PieceNumber number = 0; number < start_.layout.piece_count(); ++number) {
    auto verify = [stored = start_.stored, number] { return stored->VerifyPiece(number); };
    (void)co_await env_.with.disk.Run(std::move(verify));
    if (!start_.stored->HasPiece(number)) OnLost(number);
  }
}

// The content's own name says what it must be: whoever sent a part of something else is not trusted.
absl::StatusOr<bool> Driver::JudgeBlob(const Digest& actual) {
  if (Matches(*start_.blob_digest, actual)) return true;
  const auto hosts = HostsOfPieces();
  for (const HostId& host : hosts) {
    if (env_.blocklist.Lied(host, env_.with.clock.Now())) {
      log_.Warn("parent sent pieces of a wrong blob, quarantined", {{"remote_host_id", host}});
    }
  }
  avoid_.insert(hosts.begin(), hosts.end());
  DropPieces();
  if (hosts.empty() || ++bad_contents_ > kBadContentsAllowed) {
    return Mismatch(*start_.blob_digest, actual);
  }
  return false;
}

// A caller's digest may be the caller's mistake. If nobody is content with what came from parents, it
// is fetched once more from others; only when that makes the difference, the first ones lied.
absl::StatusOr<bool> Driver::JudgeCallers(const std::vector<Digest>& actual, bool blob_holds) {
  Callers mismatching;
  bool somebody_content = false;
  bool matched = false;
  for (const auto& caller : callers_) {
    if (!caller->whole()) continue;
    const auto& expected = caller->wish().digest;
    if (expected && !Matches(*expected, *Find(actual, expected->algorithm))) {
      mismatching.push_back(caller);
    } else {
      somebody_content = true;
      matched = matched || expected.has_value();
    }
  }
  if (matched && !avoid_.empty() && !blob_holds) {
    for (const HostId& host : avoid_) {
      if (env_.blocklist.Lied(host, env_.with.clock.Now())) {
        log_.Warn("parent sent pieces of a wrong content, quarantined",
                  {{"remote_host_id", host}});
      }
    }
  }
  if (mismatching.empty()) return true;
  const bool content_is_good = blob_holds || somebody_content;
  const auto hosts = HostsOfPieces();
  if (!content_is_good && !hosts.empty() && avoid_.empty()) {
    log_.Warn("content has another digest than wanted, getting it from other parents");
    avoid_ = hosts;
    DropPieces();
    return false;
  }
  absl::Status status;
  for (const auto& caller : mismatching) {
    const Digest& expected = *caller->wish().digest;
    status = Mismatch(expected, *Find(actual, expected.algorithm));
    EndCaller(caller, status);
  }
  if (content_is_good) return true;
  DropPieces();
  return status;
}

absl::flat_hash_set<HostId> Driver::HostsOfPieces() const {
  absl::flat_hash_set<HostId> hosts;
  for (const PieceRecord& piece : start_.stored->Pieces()) {
    if (piece.parent_id.empty()) continue;
    if (HostId host = HostOfPeer(piece.parent_id); !host.empty()) hosts.insert(std::move(host));
  }
  return hosts;
}

void Driver::DropPieces() {
  env_.digests.Forget(start_.stored->spec().kind, start_.stored->spec().id);
  for (PieceNumber number = 0; number < start_.layout.piece_count(); ++number) {
    start_.stored->DropPiece(number);
    OnLost(number);
  }
}

}  // namespace dragonfly::dfdaemon
