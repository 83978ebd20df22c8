#include "dfdaemon/proxy/certificates.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::size_t kEntriesMax = 1000;
constexpr std::chrono::hours kEntryLife{24 * 7};
constexpr std::chrono::hours kCertificateLife{24 * 30};
constexpr std::chrono::hours kClockSkew{24};

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using CertPtr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Freed<BN_free>>;

absl::Status Refuse(std::string_view what) {
  std::array<char, 256> reason{};
  const unsigned long error = ERR_get_error();
  ERR_error_string_n(error, reason.data(), reason.size());
  ERR_clear_error();
  return absl::InvalidArgumentError(
      error == 0 ? std::string(what) : StrCat(what, ": ", reason.data()));
}

BioPtr ReadOnly(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

bool IsAddress(const std::string& host) {
  in6_addr scratch{};
  return inet_pton(AF_INET, host.c_str(), &scratch) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
}

// The name goes into an extension's text form, where a comma would begin another name.
bool IsHostName(const std::string& host) {
  if (host.empty() || host.size() > 253) return false;
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.' && c != '_') {
      return false;
    }
  }
  return true;
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

}  // namespace

struct CertificateIssuer::Authority {
  CertPtr certificate;
  KeyPtr key;
  std::string certificate_pem;
  // One key for all hosts: making one costs more than signing, and they live in one process anyway.
  KeyPtr leaf_key;
  std::string leaf_key_pem;
};

CertificateIssuer::CertificateIssuer(std::unique_ptr<Authority> authority, const Clock& clock)
    : authority_(std::move(authority)), clock_(clock) {}
CertificateIssuer::~CertificateIssuer() = default;

absl::StatusOr<std::unique_ptr<CertificateIssuer>> CertificateIssuer::Create(
    const std::string& ca_cert_pem, const std::string& ca_key_pem, const Clock& clock) {
  ERR_clear_error();
  auto authority = std::make_unique<Authority>();
  authority->certificate.reset(
      PEM_read_bio_X509(ReadOnly(ca_cert_pem).get(), nullptr, nullptr, nullptr));
  if (!authority->certificate) return Refuse("CA certificate");
  authority->key.reset(
      PEM_read_bio_PrivateKey(ReadOnly(ca_key_pem).get(), nullptr, nullptr, nullptr));
  if (!authority->key) return Refuse("CA key");
  if (X509_check_private_key(authority->certificate.get(), authority->key.get()) != 1) {
    return Refuse("CA key does not belong to the CA certificate");
  }
  authority->certificate_pem = ca_cert_pem;
  authority->leaf_key.reset(EVP_EC_gen("P-256"));
  const BioPtr key_text(BIO_new(BIO_s_mem()));
  if (!authority->leaf_key || PEM_write_bio_PrivateKey(key_text.get(), authority->leaf_key.get(),
                                                       nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Refuse("make a key");
  }
  authority->leaf_key_pem = TextOf(key_text.get());
  return std::unique_ptr<CertificateIssuer>(new CertificateIssuer(std::move(authority), clock));
}

absl::StatusOr<std::shared_ptr<const HttpServerTls>> CertificateIssuer::ForHost(
    const std::string& host) {
  const std::string name = absl::AsciiStrToLower(host);
  {
    const MutexLock lock(mutex_);
    if (const auto found = entries_.find(name); found != entries_.end()) {
      if (clock_.Now() - found->second->made_at < kEntryLife) {
        order_.splice(order_.begin(), order_, found->second);
        return found->second->tls;
      }
      order_.erase(found->second);
      entries_.erase(found);
    }
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const HttpServerTls> tls, Issue(name));
  const MutexLock lock(mutex_);
  if (!entries_.contains(name)) {
    order_.push_front({name, clock_.Now(), tls});
    entries_[name] = order_.begin();
    if (entries_.size() > kEntriesMax) {
      entries_.erase(order_.back().host);
      order_.pop_back();
    }
  }
  return tls;
}

absl::StatusOr<std::shared_ptr<const HttpServerTls>> CertificateIssuer::Issue(
    const std::string& host) const {
  const bool is_address = IsAddress(host);
  if (!is_address && !IsHostName(host)) return absl::InvalidArgumentError("not a host name");
  ERR_clear_error();
  const CertPtr certificate(X509_new());
  X509* leaf = certificate.get();
  X509* issuer = authority_->certificate.get();
  const BignumPtr serial(BN_new());
  // Its first bit is 0: a serial number is positive and at most 20 bytes long.
  bool good = leaf != nullptr && serial && X509_set_version(leaf, X509_VERSION_3) == 1 &&
              BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(leaf)) != nullptr;
  const WallTime now = clock_.WallNow();
  const auto seconds = [](WallTime time) { return std::chrono::system_clock::to_time_t(time); };
  good = good && ASN1_TIME_set(X509_getm_notBefore(leaf), seconds(now - kClockSkew)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(leaf), seconds(now + kCertificateLife)) != nullptr &&
         X509_set_pubkey(leaf, authority_->leaf_key.get()) == 1 &&
         X509_set_issuer_name(leaf, X509_get_subject_name(issuer)) == 1;
  // A common name has at most 64 characters; clients look at the alternative name.
  const std::string common_name = host.substr(0, 64);
  good = good && X509_NAME_add_entry_by_txt(
                     X509_get_subject_name(leaf), "CN", MBSTRING_UTF8,
                     reinterpret_cast<const unsigned char*>(common_name.data()),
                     static_cast<int>(common_name.size()), -1, 0) == 1;
  const std::string alternative = StrCat(is_address ? "IP:" : "DNS:", host);
  good = good && AddExtension(leaf, issuer, NID_subject_alt_name, alternative) &&
         AddExtension(leaf, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         AddExtension(leaf, issuer, NID_key_usage, "critical,digitalSignature") &&
         AddExtension(leaf, issuer, NID_ext_key_usage, "serverAuth");
  if (!good) return Refuse("fill a certificate");
  // Keys of the Edwards curves hash by themselves.
  int default_digest = NID_undef;
  const bool names_digest =
      EVP_PKEY_get_default_digest_nid(authority_->key.get(), &default_digest) > 0 &&
      default_digest != NID_undef;
  if (X509_sign(leaf, authority_->key.get(), names_digest ? EVP_sha256() : nullptr) == 0) {
    return Refuse("sign a certificate");
  }
  const BioPtr text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(text.get(), leaf) != 1) return Refuse("write a certificate");
  HttpServerTlsOptions options;
  options.certificate_chain_pem = StrCat(TextOf(text.get()), "\n", authority_->certificate_pem);
  options.private_key_pem = authority_->leaf_key_pem;
  return HttpServerTls::Create(options);
}

}  // namespace dragonfly::dfdaemon
