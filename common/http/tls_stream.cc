#include "common/http/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "common/async/notifier.h"
#include "common/base/strings.h"
#include "common/http/server_tls_context.h"

namespace dragonfly {
namespace {

std::string LastError() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

}  // namespace

namespace {

/// TLS over any stream: OpenSSL works on memory, this moves the bytes. Reading and writing may
/// overlap; what a read makes OpenSSL want to send leaves with the writer that is at it.
class TlsStream final : public HttpStream {
 public:
  TlsStream(std::unique_ptr<HttpStream> inner, std::shared_ptr<const HttpServerTls> tls)
      : inner_(std::move(inner)),
        tls_(std::move(tls)),
        ssl_(SSL_new(tls_->impl().context.get()), SSL_free) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_accept_state(ssl_.get());
  }

  Awaitable<absl::Status> Handshake() {
    not_writing_.emplace(co_await asio::this_coro::executor);
    while (true) {
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl_.get());
      const int error = SSL_get_error(ssl_.get(), result);
      absl::Status flushed = co_await Flush(Push::kNow, IfBusy::kWait);
      if (!flushed.ok()) co_return flushed;
      if (result == 1) co_return absl::OkStatus();
      if (error != SSL_ERROR_WANT_READ) {
        co_return absl::DataLossError(StrCat("TLS handshake: ", LastError()));
      }
      const auto got = co_await Fill();
      if (!got.ok()) co_return got.status();
      if (*got == 0) co_return absl::CancelledError("TLS handshake: connection closed");
    }
  }

  Awaitable<absl::StatusOr<std::size_t>> ReadSome(std::span<std::byte> out) override {
    while (true) {
      ERR_clear_error();
      std::size_t got = 0;
      const int result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &got);
      if (result == 1) co_return got;
      const int error = SSL_get_error(ssl_.get(), result);
      if (error == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
      if (error != SSL_ERROR_WANT_READ) {
        co_return absl::DataLossError(StrCat("TLS read: ", LastError()));
      }
      absl::Status flushed = co_await Flush(Push::kNow, IfBusy::kLeave);
      if (!flushed.ok()) co_return flushed;
      const auto filled = co_await Fill();
      if (!filled.ok()) co_return filled.status();
      if (*filled == 0) co_return absl::CancelledError("TLS read: closed without a TLS end");
    }
  }

  Awaitable<absl::Status> Write(std::span<const std::byte> bytes, Push push) override {
    while (!bytes.empty()) {
      ERR_clear_error();
      std::size_t taken = 0;
      // Small steps: OpenSSL's output memory stays as small.
      const std::size_t step = std::min(bytes.size(), kStepBytes);
      const int result = SSL_write_ex(ssl_.get(), bytes.data(), step, &taken);
      if (result != 1) co_return absl::DataLossError(StrCat("TLS write: ", LastError()));
      bytes = bytes.subspan(taken);
      absl::Status flushed = co_await Flush(bytes.empty() ? push : Push::kMoreFollows, IfBusy::kWait);
      if (!flushed.ok()) co_return flushed;
    }
    co_return absl::OkStatus();
  }

  Awaitable<absl::Status> WriteFile(int fd, std::uint64_t offset, std::uint64_t length,
                                    Push push) override {
    std::vector<std::byte> buffer(static_cast<std::size_t>(
        std::min<std::uint64_t>(length, kStepBytes)));
    while (length > 0) {
      const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(length, buffer.size()));
      const ssize_t got = ::pread(fd, buffer.data(), want, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) co_return absl::DataLossError("send file: the file ended early");
      offset += static_cast<std::uint64_t>(got);
      length -= static_cast<std::uint64_t>(got);
      absl::Status written =
          co_await Write(std::span(buffer).first(static_cast<std::size_t>(got)),
                         length == 0 ? push : Push::kMoreFollows);
      if (!written.ok()) co_return written;
    }
    co_return absl::OkStatus();
  }

  Awaitable<> WaitClosed() override { return inner_->WaitClosed(); }
  [[nodiscard]] std::uint64_t progress() const override { return inner_->progress(); }

  Awaitable<> ShutdownWrite() override {
    SSL_shutdown(ssl_.get());
    const absl::Status flushed = co_await Flush(Push::kNow, IfBusy::kWait);
    if (flushed.ok()) co_await inner_->ShutdownWrite();
  }

  void Cancel() override { inner_->Cancel(); }
  void Abort() override { inner_->Abort(); }

 private:
  static constexpr std::size_t kStepBytes = 64 * 1024;

  Awaitable<absl::StatusOr<std::size_t>> Fill() {
    std::array<std::byte, 16 * 1024> buffer;
    const auto got = co_await inner_->ReadSome(buffer);
    if (got.ok() && *got > 0) BIO_write(in_, buffer.data(), static_cast<int>(*got));
    co_return got;
  }

  // A reader need not wait: the writer that is at it takes its bytes along. A writer has to, or
  // OpenSSL's output would grow without bounds.
  enum class IfBusy : std::uint8_t { kWait, kLeave };

  Awaitable<absl::Status> Flush(Push push, IfBusy if_busy) {
    while (writing_) {
      if (if_busy == IfBusy::kLeave) co_return absl::OkStatus();
      const auto seen = not_writing_->version();
      co_await not_writing_->WaitPast(seen);
    }
    struct Writing {
      TlsStream& stream;
      explicit Writing(TlsStream& s) : stream(s) { stream.writing_ = true; }
      ~Writing() {
        stream.writing_ = false;
        stream.not_writing_->Notify();
      }
    };
    const Writing writing(*this);
    std::vector<std::byte> buffer;
    while (const std::size_t pending = BIO_ctrl_pending(out_)) {
      buffer.resize(pending);
      const int got = BIO_read(out_, buffer.data(), static_cast<int>(buffer.size()));
      if (got <= 0) break;
      absl::Status written =
          co_await inner_->Write(std::span(buffer).first(static_cast<std::size_t>(got)), push);
      if (!written.ok()) co_return written;
    }
    co_return absl::OkStatus();
  }

  std::unique_ptr<HttpStream> inner_;
  const std::shared_ptr<const HttpServerTls> tls_;
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  BIO* in_ = nullptr;   // Owned by ssl_.
  BIO* out_ = nullptr;  // Owned by ssl_.
  std::optional<Notifier> not_writing_;
  bool writing_ = false;
};

}  // namespace

Awaitable<absl::StatusOr<std::unique_ptr<HttpStream>>> AcceptTls(
    std::unique_ptr<HttpStream> inner, std::shared_ptr<const HttpServerTls> tls) {
  auto stream = std::make_unique<TlsStream>(std::move(inner), std::move(tls));
  absl::Status shaken = co_await stream->Handshake();
  if (!shaken.ok()) co_return shaken;
  std::unique_ptr<HttpStream> result = std::move(stream);
  co_return result;
}

}  // namespace dragonfly
