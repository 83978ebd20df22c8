#include "common/digest/digest.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <isa-l/crc.h>
#include <openssl/evp.h>

#include "absl/status/status.h"
#include "common/base/check.h"
#include "common/base/strings.h"

namespace dragonfly {
namespace {

struct AlgorithmInfo {
  DigestAlgorithm algorithm;
  std::string_view name;
  std::size_t hex_digits;  // 0 for crc32: any number of them.
};

constexpr std::array<AlgorithmInfo, 6> kAlgorithms = {{{DigestAlgorithm::kCrc32, "crc32", 0},
                                                       {DigestAlgorithm::kMd5, "md5", 32},
                                                       {DigestAlgorithm::kSha1, "sha1", 40},
                                                       {DigestAlgorithm::kSha256, "sha256", 64},
                                                       {DigestAlgorithm::kSha512, "sha512", 128},
                                                       {DigestAlgorithm::kBlake3, "blake3", 64}}};

// More digits than any 32-bit number has, with room for padding.
constexpr std::size_t kMaxCrcDigits = 64;

bool IsHex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string ToHex(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xfU];
  }
  return text;
}

const EVP_MD* EvpOf(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kMd5:
      return EVP_md5();
    case DigestAlgorithm::kSha1:
      return EVP_sha1();
    case DigestAlgorithm::kSha256:
      return EVP_sha256();
    case DigestAlgorithm::kSha512:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

}  // namespace

std::string_view AlgorithmName(DigestAlgorithm algorithm) {
  return kAlgorithms[static_cast<std::size_t>(algorithm)].name;
}

std::string Digest::ToString() const { return StrCat(AlgorithmName(algorithm), ":", encoded); }

absl::StatusOr<Digest> ParseDigest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return absl::InvalidArgumentError("digest is not of the form algorithm:value");
  }
  const std::string_view name = text.substr(0, colon);
  const std::string_view encoded = text.substr(colon + 1);
  const auto* info = std::find_if(kAlgorithms.begin(), kAlgorithms.end(),
                                  [name](const auto& entry) { return entry.name == name; });
  if (info == kAlgorithms.end()) return absl::InvalidArgumentError("unknown digest algorithm");
  const bool length_ok = info->hex_digits == 0
                             ? !encoded.empty() && encoded.size() <= kMaxCrcDigits
                             : encoded.size() == info->hex_digits;
  if (!length_ok || !std::all_of(encoded.begin(), encoded.end(), IsHex)) {
    return absl::InvalidArgumentError(StrCat("invalid value of a ", name, " digest"));
  }
  return Digest{info->algorithm, std::string(encoded)};
}

bool Matches(const Digest& expected, const Digest& actual) {
  if (expected.algorithm != actual.algorithm) return false;
  std::string_view a = expected.encoded;
  std::string_view b = actual.encoded;
  if (expected.algorithm == DigestAlgorithm::kCrc32) {
    while (a.size() > 1 && a.front() == '0') a.remove_prefix(1);
    while (b.size() > 1 && b.front() == '0') b.remove_prefix(1);
  }
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ToLower(x) == ToLower(y); });
}

void Hasher::EvpDelete::operator()(void* context) const {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

absl::StatusOr<Hasher> Hasher::Create(DigestAlgorithm algorithm) {
  if (algorithm == DigestAlgorithm::kCrc32) return Hasher(algorithm, std::uint32_t{0});
  const EVP_MD* type = EvpOf(algorithm);
  if (type == nullptr) {
    return absl::UnimplementedError(
        StrCat("digest algorithm ", AlgorithmName(algorithm), " is not supported"));
  }
  Evp context(EVP_MD_CTX_new());
  if (context == nullptr ||
      EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context.get()), type, nullptr) != 1) {
    return absl::FailedPreconditionError(
        StrCat("OpenSSL refuses the digest algorithm ", AlgorithmName(algorithm)));
  }
  return Hasher(algorithm, std::move(context));
}

void Hasher::Update(std::span<const std::byte> bytes) {
  if (auto* crc = std::get_if<std::uint32_t>(&state_)) {
    *crc = Crc32(*crc, bytes);
    return;
  }
  auto* context = static_cast<EVP_MD_CTX*>(std::get<Evp>(state_).get());
  // A digest in memory that was initialised cannot fail.
  DF_CHECK(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
}

Digest Hasher::Finish() {
  if (const auto* crc = std::get_if<std::uint32_t>(&state_)) {
    return {algorithm_, StrCat(*crc)};
  }
  auto* context = static_cast<EVP_MD_CTX*>(std::get<Evp>(state_).get());
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  DF_CHECK(EVP_DigestFinal_ex(context, out.data(), &size) == 1);
  return {algorithm_, ToHex(std::span(out).first(size))};
}

std::string Sha256Hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  DF_CHECK(EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) == 1);
  return ToHex(std::span(out).first(size));
}

std::uint32_t Crc32(std::uint32_t crc, std::span<const std::byte> bytes) {
  return crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::string FormatPieceDigest(std::uint32_t crc) { return StrCat("crc32:", crc); }

std::optional<std::uint32_t> ParsePieceDigest(std::string_view text) {
  constexpr std::string_view kPrefix = "crc32:";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  std::uint32_t crc = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), crc);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return crc;
}

std::string PieceMetadataDigest(PieceNumber number, std::uint64_t offset_bytes,
                                std::uint64_t length_bytes, std::string_view piece_digest) {
  std::array<std::byte, 20> fields{};
  std::byte* next = StoreBigEndian(number, fields.data());
  next = StoreBigEndian(offset_bytes, next);
  StoreBigEndian(length_bytes, next);
  return FormatPieceDigest(Crc32(Crc32(0, fields), AsBytes(piece_digest)));
}

}  // namespace dragonfly
