#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "common/base/types.h"

namespace dragonfly {

enum class DigestAlgorithm : std::uint8_t { kCrc32, kMd5, kSha1, kSha256, kSha512, kBlake3 };

/// `crc32`, `md5`, `sha1`, `sha256`, `sha512` or `blake3`.
[[nodiscard]] std::string_view AlgorithmName(DigestAlgorithm algorithm);

/// What content should hash to, or hashed to. Text form: `algorithm:encoded`. `encoded` is lower-case
/// hexadecimal, but for crc32 the decimal number.
struct Digest {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string encoded;

  [[nodiscard]] std::string ToString() const;

  friend bool operator==(const Digest&, const Digest&) = default;
};

/// Parses a digest by the rule of the gRPC API: known algorithm in lower case, hexadecimal value of
/// either case and of the algorithm's length, at least one digit for crc32. InvalidArgument otherwise.
[[nodiscard]] absl::StatusOr<Digest> ParseDigest(std::string_view text);

/// Whether `actual`, as Hasher made it, is what `expected` asks for. Hexadecimal values compare
/// without case; crc32 compares as a number, so that zeros in front do not matter.
[[nodiscard]] bool Matches(const Digest& expected, const Digest& actual);

/// A digest over bytes that come in portions. Not thread-safe.
class Hasher {
 public:
  /// Unimplemented for blake3. FailedPrecondition when the installed OpenSSL refuses the algorithm.
  [[nodiscard]] static absl::StatusOr<Hasher> Create(DigestAlgorithm algorithm);

  void Update(std::span<const std::byte> bytes);
  void Update(std::string_view text) { Update(AsBytes(text)); }
  /// Ends the computation; nothing but destruction may follow.
  [[nodiscard]] Digest Finish();

 private:
  struct EvpDelete {
    void operator()(void* context) const;
  };
  using Evp = std::unique_ptr<void, EvpDelete>;

  Hasher(DigestAlgorithm algorithm, std::variant<std::uint32_t, Evp> state)
      : algorithm_(algorithm), state_(std::move(state)) {}

  DigestAlgorithm algorithm_;
  std::variant<std::uint32_t, Evp> state_;  // The CRC so far, or OpenSSL's context.
};

/// SHA-256 in lower-case hexadecimal, the form of most ids.
[[nodiscard]] std::string Sha256Hex(std::string_view text);

/// CRC-32 IEEE (reflected, 0xEDB88320) of `bytes` appended to what `crc` covers; begin with 0.
[[nodiscard]] std::uint32_t Crc32(std::uint32_t crc, std::span<const std::byte> bytes);

/// `crc32:<decimal>`, the digest of a piece in metadata, on the wire and in reports.
[[nodiscard]] std::string FormatPieceDigest(std::uint32_t crc);
/// The opposite. Nothing for other algorithms and for texts that are not a 32-bit decimal number.
[[nodiscard]] std::optional<std::uint32_t> ParsePieceDigest(std::string_view text);

/// Digest of a piece's metadata as DownloadPieceResponse carries it: `crc32:<decimal>` over number,
/// offset and length in big endian and the text of the piece digest.
[[nodiscard]] std::string PieceMetadataDigest(PieceNumber number, std::uint64_t offset_bytes,
                                              std::uint64_t length_bytes,
                                              std::string_view piece_digest);

}  // namespace dragonfly
