#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace dragonfly {

/// A URL after the WHATWG URL standard, in the reading of the Rust crate `url` 2.5.4, because task
/// ids are hashes of its output. One known departure: host names outside ASCII are accepted only
/// from scripts that need no Unicode tables (see idna.h); others are refused instead of guessed.
class Url {
 public:
  enum class HostKind : std::uint8_t { kNone, kEmpty, kDomain, kIpv4, kIpv6, kOpaque };

  /// Longest text that Parse and Resolve look at.
  static constexpr std::size_t kMaxBytes = 64 * 1024;

  /// Parses an absolute URL. InvalidArgument says which part is wrong.
  [[nodiscard]] static absl::StatusOr<Url> Parse(std::string_view text);

  /// Parses `reference` (absolute or relative, as in a Location header) against this URL.
  [[nodiscard]] absl::StatusOr<Url> Resolve(std::string_view reference) const;

  /// Lower case, without ':'.
  [[nodiscard]] const std::string& scheme() const { return scheme_; }
  /// Percent-encoded; empty when absent.
  [[nodiscard]] const std::string& username() const { return username_; }
  [[nodiscard]] const std::string& password() const { return password_; }
  /// As in Href: a lower-case domain in ASCII, a dotted IPv4 address, an IPv6 address in brackets.
  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] HostKind host_kind() const { return host_kind_; }
  /// The host without the brackets of an IPv6 address.
  [[nodiscard]] std::string_view host_without_brackets() const;
  /// The port, unless it is absent or the scheme's default.
  [[nodiscard]] std::optional<std::uint16_t> port() const { return port_; }
  /// The port to connect to; nothing when the scheme has no default.
  [[nodiscard]] std::optional<std::uint16_t> port_or_default() const;
  /// Percent-encoded. Begins with '/' for http and its like; without it the path is opaque.
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool has_opaque_path() const { return opaque_path_; }
  /// Percent-encoded, without '?' and '#'. Present and empty differs from absent.
  [[nodiscard]] const std::optional<std::string>& query() const { return query_; }
  [[nodiscard]] const std::optional<std::string>& fragment() const { return fragment_; }

  /// The whole URL in its normal form; parsing it gives the same URL.
  [[nodiscard]] std::string Href() const;
  /// `scheme://host[:port]`, the key of a connection pool.
  [[nodiscard]] std::string Origin() const;
  /// Path and query as an HTTP/1.1 request line has them, never empty.
  [[nodiscard]] std::string RequestTarget() const;
  /// Href without credentials, query and fragment: fit for logs.
  [[nodiscard]] std::string ForLog() const;

  /// Replaces the query; nullopt removes it together with its '?'. Encodes what a query must not
  /// contain, and leaves '%' as it is.
  void SetQuery(std::optional<std::string_view> query);
  void ClearFragment() { fragment_.reset(); }
  void ClearCredentials();

  friend bool operator==(const Url&, const Url&) = default;

 private:
  friend class UrlParser;
  Url() = default;

  [[nodiscard]] bool is_special() const;

  std::string scheme_;
  std::string username_;
  std::string password_;
  std::string host_;
  HostKind host_kind_ = HostKind::kNone;
  std::optional<std::uint16_t> port_;
  std::string path_;
  bool opaque_path_ = false;
  std::optional<std::string> query_;
  std::optional<std::string> fragment_;
};

/// Pairs of an application/x-www-form-urlencoded text, in order. '+' is a blank, bad UTF-8 becomes
/// U+FFFD, empty pairs are left out, a pair without '=' has an empty value.
using FormPairs = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] FormPairs ParseForm(std::string_view text);
/// The opposite. `key=` is always followed by its value, even an empty one.
[[nodiscard]] std::string SerializeForm(const FormPairs& pairs);

/// Decodes every `%XX`; a '%' without two hexadecimal digits stays.
[[nodiscard]] std::string PercentDecode(std::string_view text);
/// Encodes all but letters, digits, '-', '.', '_' and '~' (RFC 3986 unreserved).
[[nodiscard]] std::string PercentEncode(std::string_view text);

}  // namespace dragonfly
