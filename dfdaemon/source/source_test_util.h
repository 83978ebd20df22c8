#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/async/runtime.h"
#include "common/base/bytes.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_origin.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "dfdaemon/source/http_source.h"

namespace dragonfly::dfdaemon {

inline std::string TestContent(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 7;
  for (char& byte : text) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return text;
}

/// A piece in memory.
class MemoryWriter final : public PieceWriter {
 public:
  MemoryWriter(PieceNumber number, std::uint64_t offset, std::uint64_t length)
      : number_(number), offset_(offset), length_(length) {}

  [[nodiscard]] PieceNumber number() const override { return number_; }
  [[nodiscard]] std::uint64_t offset() const override { return offset_; }
  [[nodiscard]] std::uint64_t length() const override { return length_; }
  [[nodiscard]] std::uint64_t written() const override { return bytes.size(); }
  [[nodiscard]] std::uint32_t crc32() const override { return 0; }
  absl::Status Append(std::span<const std::byte> more) override {
    if (!append_status.ok()) return append_status;
    if (more.size() > length_ - bytes.size()) return absl::OutOfRangeError("too long");
    bytes.append(AsText(more));
    return absl::OkStatus();
  }
  void PassOn(std::uint32_t, PeerId) override {}
  void Restart() override { bytes.clear(); }
  absl::Status Commit(PieceRecord /*record*/, std::optional<std::uint32_t> /*crc*/) override {
    return absl::OkStatus();
  }

  std::string bytes;
  absl::Status append_status;

 private:
  const PieceNumber number_;
  const std::uint64_t offset_;
  const std::uint64_t length_;
};

/// Pieces in memory; those in `skipped` are thrown away.
class MemorySequence final : public PieceSequence {
 public:
  MemorySequence(std::uint64_t total, std::uint64_t piece_length)
      : total_(total), piece_length_(piece_length) {}

  PieceWriter* Begin(PieceNumber number) override {
    begun.push_back(number);
    if (number == skipped) return nullptr;
    const std::uint64_t offset = number * piece_length_;
    auto& writer = writers[number];
    writer =
        std::make_unique<MemoryWriter>(number, offset, std::min(piece_length_, total_ - offset));
    return writer.get();
  }
  absl::Status End(PieceNumber number) override {
    EXPECT_EQ(writers[number]->written(), writers[number]->length());
    ended.push_back(number);
    return end_status;
  }
  [[nodiscard]] std::string Joined() const {
    std::string joined;
    for (const auto& [number, writer] : writers) joined += writer->bytes;
    return joined;
  }

  std::optional<PieceNumber> skipped;
  absl::Status end_status;
  std::vector<PieceNumber> begun;
  std::vector<PieceNumber> ended;
  std::map<PieceNumber, std::unique_ptr<MemoryWriter>> writers;

 private:
  const std::uint64_t total_;
  const std::uint64_t piece_length_;
};

class CountingMetrics final : public SourceMetrics {
 public:
  void Requested(std::string_view scheme, SourceOperation /*operation*/) override {
    ++requested;
    last_scheme = scheme;
  }
  void Failed(std::string_view /*scheme*/, SourceOperation /*operation*/) override { ++failed; }
  void Took(std::string_view /*scheme*/, SourceOperation /*operation*/,
            std::chrono::nanoseconds /*time*/) override {
    ++succeeded;
  }

  std::atomic<int> requested = 0;
  std::atomic<int> failed = 0;
  std::atomic<int> succeeded = 0;
  std::string last_scheme;
};

/// An HttpSource with short waits on a runtime of its own.
class SourceTest : public testing::Test {
 protected:
  ~SourceTest() override { RunCoro(runtime_, client_.Stop()); }

  static HttpSourceOptions ShortWaits() {
    HttpSourceOptions options;
    options.backoff_min = std::chrono::milliseconds(1);
    options.backoff_max = std::chrono::milliseconds(2);
    options.headers.user_agent = "dragonfly/test";
    options.stat_by_head = false;
    return options;
  }
  void Use(HttpSourceOptions options) {
    source_ = std::make_unique<HttpSource>(
        std::move(options), HttpSource::Collaborators{client_, {&limiter_}, metrics_, clock_, {}});
  }
  static SourceRequest For(std::string url, HeaderList headers = {}) {
    SourceRequest request;
    request.task_id = TaskId("t");
    request.url = std::move(url);
    request.headers = std::move(headers);
    return request;
  }
  absl::StatusOr<SourceStat> Stat(SourceRequest request) {
    return RunCoro(runtime_, source_->Stat(std::move(request)));
  }
  absl::Status Fetch(SourceRequest request, std::uint64_t total, PieceWriter& writer) {
    return RunCoro(runtime_, source_->FetchPiece(std::move(request), total, writer));
  }
  absl::Status FetchAll(SourceRequest request, std::uint64_t total, std::uint64_t piece_length,
                        PieceSequence& pieces) {
    return RunCoro(runtime_, source_->FetchAll(std::move(request), total, piece_length, pieces));
  }

  FakeClock clock_;
  CountingMetrics metrics_;
  RateLimiter limiter_{0};
  Runtime runtime_{"source", 1};
  HttpClient client_{HttpClientOptions{}, {runtime_.executor()}};
  std::unique_ptr<HttpSource> source_ = std::make_unique<HttpSource>(
      ShortWaits(), HttpSource::Collaborators{client_, {&limiter_}, metrics_, clock_, {}});
};

}  // namespace dragonfly::dfdaemon
