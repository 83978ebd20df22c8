#include "common/net/url.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/utf8.h"
#include "common/net/url_encode.h"
#include "common/net/url_host.h"

namespace dragonfly {

using internal::AppendEncoded;
using internal::EncodeSet;

namespace {

struct SpecialScheme {
  std::string_view name;
  std::uint16_t port;  // 0 when there is none.
};

constexpr std::array<SpecialScheme, 6> kSpecialSchemes = {
    {{"http", 80}, {"https", 443}, {"ftp", 21}, {"ws", 80}, {"wss", 443}, {"file", 0}}};

const SpecialScheme* FindSpecial(std::string_view scheme) {
  const auto* found = std::find_if(kSpecialSchemes.begin(), kSpecialSchemes.end(),
                                   [scheme](const auto& entry) { return entry.name == scheme; });
  return found == kSpecialSchemes.end() ? nullptr : found;
}

bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return ToLower(x) == ToLower(y); });
}

bool IsSingleDot(std::string_view segment) {
  return segment == "." || EqualsIgnoreCase(segment, "%2e");
}
bool IsDoubleDot(std::string_view segment) {
  return segment == ".." || EqualsIgnoreCase(segment, ".%2e") ||
         EqualsIgnoreCase(segment, "%2e.") || EqualsIgnoreCase(segment, "%2e%2e");
}

// "C:" and "C|", which file URLs treat as the root of a drive on every system.
bool IsDriveLetter(std::string_view text) {
  return text.size() == 2 && IsAlpha(text[0]) && (text[1] == ':' || text[1] == '|');
}

// Blanks and controls around, tabs and line ends inside do not count.
std::string StripText(std::string_view text) {
  const auto is_blank = [](char c) { return static_cast<unsigned char>(c) <= 0x20; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  std::string result(text);
  std::erase_if(result, [](char c) { return c == '\t' || c == '\n' || c == '\r'; });
  return result;
}

// Length of a leading scheme without its ':', or npos.
std::size_t SchemeLength(std::string_view text) {
  if (text.empty() || !IsAlpha(text[0])) return std::string_view::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ':') return i;
    if (!IsAlpha(c) && !IsDigit(c) && c != '+' && c != '-' && c != '.') break;
  }
  return std::string_view::npos;
}

}  // namespace

// The parser of the standard, by part instead of by character: query and fragment are cut off first,
// since in no state can '?' and '#' mean anything else.
class UrlParser {
 public:
  explicit UrlParser(const Url* base) : base_(base) {}

  absl::StatusOr<Url> Run(std::string_view text) {
    if (text.size() > Url::kMaxBytes) return absl::InvalidArgumentError("URL is too long");
    if (!IsUtf8(text)) return absl::InvalidArgumentError("URL is not UTF-8");
    const std::string stripped = StripText(text);
    std::string_view rest = stripped;
    if (const std::size_t hash = rest.find('#'); hash != std::string_view::npos) {
      url_.fragment_.emplace();
      AppendEncoded(EncodeSet::kFragment, rest.substr(hash + 1), *url_.fragment_);
      rest = rest.substr(0, hash);
    }
    std::optional<std::string_view> query;
    if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
      query = rest.substr(mark + 1);
      rest = rest.substr(0, mark);
    }
    const std::size_t scheme = SchemeLength(rest);
    if (scheme != std::string_view::npos) {
      url_.scheme_ = std::string(rest.substr(0, scheme));
      std::transform(url_.scheme_.begin(), url_.scheme_.end(), url_.scheme_.begin(), ToLower);
      RETURN_IF_ERROR(ParseAbsolute(rest.substr(scheme + 1), query.has_value()));
    } else {
      RETURN_IF_ERROR(ParseRelative(rest, query.has_value()));
    }
    if (query.has_value()) url_.SetQuery(query);
    return std::move(url_);
  }

 private:
  bool special() const { return url_.is_special(); }
  bool IsSlash(char c) const { return c == '/' || (c == '\\' && special()); }
  bool StartsWithSlash(std::string_view text) const { return !text.empty() && IsSlash(text[0]); }
  bool StartsWithTwoSlashes(std::string_view text) const {
    return text.size() >= 2 && IsSlash(text[0]) && IsSlash(text[1]);
  }

  absl::Status ParseAbsolute(std::string_view rest, bool has_query) {
    if (url_.scheme_ == "file") return ParseFile(rest, has_query);
    if (special()) {
      // "https:a" continues a base of the same scheme; otherwise slashes may be missing or many.
      if (base_ != nullptr && base_->scheme_ == url_.scheme_ && !rest.starts_with("//")) {
        return ParseAgainstBase(rest, has_query);
      }
      return ParseAuthorityAndPath(rest);
    }
    if (rest.starts_with("//")) return ParseAuthorityAndPath(rest);
    if (rest.starts_with("/")) return ParsePath(rest);
    url_.opaque_path_ = true;
    AppendEncoded(EncodeSet::kControl, rest, url_.path_);
    return absl::OkStatus();
  }

  absl::Status ParseRelative(std::string_view rest, bool has_query) {
    if (base_ == nullptr) return absl::InvalidArgumentError("relative URL without a base");
    url_.scheme_ = base_->scheme_;
    if (base_->opaque_path_) {
      if (!rest.empty() || has_query || !url_.fragment_.has_value()) {
        return absl::InvalidArgumentError("relative URL with a base that has no hierarchy");
      }
      CopyAuthority();
      url_.path_ = base_->path_;
      url_.opaque_path_ = true;
      url_.query_ = base_->query_;
      return absl::OkStatus();
    }
    if (url_.scheme_ == "file") return ParseFile(rest, has_query);
    return ParseAgainstBase(rest, has_query);
  }

  absl::Status ParseAgainstBase(std::string_view rest, bool has_query) {
    if (StartsWithTwoSlashes(rest)) return ParseAuthorityAndPath(rest);
    CopyAuthority();
    if (StartsWithSlash(rest)) return ParsePath(rest);
    return ContinueBasePath(rest, has_query);
  }

  absl::Status ContinueBasePath(std::string_view rest, bool has_query) {
    if (rest.empty()) {
      url_.path_ = base_->path_;
      if (!has_query) url_.query_ = base_->query_;
      return absl::OkStatus();
    }
    SplitBasePath();
    Shorten();
    return ParseSegments(rest);
  }

  absl::Status ParseFile(std::string_view rest, bool has_query) {
    const bool file_base = base_ != nullptr && base_->scheme_ == "file";
    url_.host_kind_ = Url::HostKind::kEmpty;
    if (StartsWithTwoSlashes(rest)) return ParseFileHost(rest.substr(2));
    if (file_base) CopyAuthority();
    if (StartsWithSlash(rest)) {
      if (file_base && !StartsWithDriveLetter(rest.substr(1))) KeepDriveOfBase();
      return ParseSegments(rest.substr(1));
    }
    if (!file_base) return ParseSegments(rest);
    if (rest.empty() || !StartsWithDriveLetter(rest)) return ContinueBasePath(rest, has_query);
    return ParseSegments(rest);
  }

  absl::Status ParseFileHost(std::string_view rest) {
    const std::size_t end = std::min(rest.find_first_of("/\\"), rest.size());
    const std::string_view host = rest.substr(0, end);
    // "file://C:/x": the drive belongs to the path.
    if (IsDriveLetter(host)) return ParseSegments(rest);
    if (!host.empty()) {
      ASSIGN_OR_RETURN(internal::ParsedHost parsed, internal::ParseHost(host, /*special=*/true));
      if (parsed.text != "localhost") {
        url_.host_ = std::move(parsed.text);
        url_.host_kind_ = parsed.kind;
      }
    }
    return ParsePath(rest.substr(end));
  }

  bool StartsWithDriveLetter(std::string_view text) const {
    return IsDriveLetter(text.substr(0, 2)) && (text.size() == 2 || IsSlash(text[2]));
  }

  void KeepDriveOfBase() {
    SplitBasePath();
    const bool drive = !segments_.empty() && IsDriveLetter(segments_[0]) && segments_[0][1] == ':';
    segments_.resize(drive ? 1 : 0);
  }

  absl::Status ParseAuthorityAndPath(std::string_view rest) {
    if (special()) {
      while (StartsWithSlash(rest)) rest.remove_prefix(1);
    } else {
      rest.remove_prefix(2);
    }
    std::size_t end = 0;
    while (end < rest.size() && !IsSlash(rest[end])) ++end;
    std::string_view authority = rest.substr(0, end);
    bool credentials = false;
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
      const std::string_view userinfo = authority.substr(0, at);
      const std::size_t colon = userinfo.find(':');
      AppendEncoded(EncodeSet::kUserinfo, userinfo.substr(0, colon), url_.username_);
      if (colon != std::string_view::npos) {
        AppendEncoded(EncodeSet::kUserinfo, userinfo.substr(colon + 1), url_.password_);
      }
      credentials = true;
      authority = authority.substr(at + 1);
    }
    RETURN_IF_ERROR(ParseHostAndPort(authority, credentials));
    return ParsePath(rest.substr(end));
  }

  absl::Status ParseHostAndPort(std::string_view authority, bool credentials) {
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    const std::string_view host = authority.substr(0, colon);
    if (host.empty() && (special() || credentials || colon != std::string_view::npos)) {
      return absl::InvalidArgumentError("empty host");
    }
    ASSIGN_OR_RETURN(internal::ParsedHost parsed, internal::ParseHost(host, special()));
    url_.host_ = std::move(parsed.text);
    url_.host_kind_ = parsed.kind;
    if (colon == std::string_view::npos) return absl::OkStatus();
    return ParsePort(authority.substr(colon + 1));
  }

  absl::Status ParsePort(std::string_view text) {
    if (text.empty()) return absl::OkStatus();
    std::uint32_t port = 0;
    for (const char c : text) {
      if (!IsDigit(c)) return absl::InvalidArgumentError("invalid port number");
      port = port * 10 + static_cast<std::uint32_t>(c - '0');
      if (port > 65535) return absl::InvalidArgumentError("invalid port number");
    }
    const SpecialScheme* scheme = FindSpecial(url_.scheme_);
    if (scheme == nullptr || scheme->port != port || port == 0) {
      url_.port_ = static_cast<std::uint16_t>(port);
    }
    return absl::OkStatus();
  }

  // `rest` begins with a slash or is empty.
  absl::Status ParsePath(std::string_view rest) {
    if (rest.empty() && !special()) return absl::OkStatus();
    return ParseSegments(StartsWithSlash(rest) ? rest.substr(1) : rest);
  }

  // Appends the segments of `rest` to segments_, resolves dots, and writes the path.
  absl::Status ParseSegments(std::string_view rest) {
    while (true) {
      std::size_t end = 0;
      while (end < rest.size() && !IsSlash(rest[end])) ++end;
      const bool last = end == rest.size();
      AddSegment(rest.substr(0, end), last);
      if (last) break;
      rest.remove_prefix(end + 1);
    }
    for (const std::string& segment : segments_) {
      url_.path_ += '/';
      url_.path_ += segment;
    }
    return absl::OkStatus();
  }

  void AddSegment(std::string_view segment, bool last) {
    if (IsDoubleDot(segment)) {
      Shorten();
      if (last) segments_.emplace_back();
    } else if (IsSingleDot(segment)) {
      if (last) segments_.emplace_back();
    } else {
      std::string& added = segments_.emplace_back();
      if (url_.scheme_ == "file" && segments_.size() == 1 && IsDriveLetter(segment)) {
        added = {segment[0], ':'};
      } else {
        AppendEncoded(EncodeSet::kPath, segment, added);
      }
    }
  }

  void Shorten() {
    const bool drive = url_.scheme_ == "file" && segments_.size() == 1 &&
                       IsDriveLetter(segments_[0]) && segments_[0][1] == ':';
    if (!segments_.empty() && !drive) segments_.pop_back();
  }

  void SplitBasePath() {
    std::string_view path = base_->path_;
    while (!path.empty()) {
      path.remove_prefix(1);
      const std::size_t end = std::min(path.find('/'), path.size());
      segments_.emplace_back(path.substr(0, end));
      path.remove_prefix(end);
    }
  }

  void CopyAuthority() {
    url_.username_ = base_->username_;
    url_.password_ = base_->password_;
    url_.host_ = base_->host_;
    url_.host_kind_ = base_->host_kind_;
    url_.port_ = base_->port_;
  }

  const Url* base_;
  Url url_;
  std::vector<std::string> segments_;
};

absl::StatusOr<Url> Url::Parse(std::string_view text) { return UrlParser(nullptr).Run(text); }

absl::StatusOr<Url> Url::Resolve(std::string_view reference) const {
  return UrlParser(this).Run(reference);
}

bool Url::is_special() const { return FindSpecial(scheme_) != nullptr; }

std::string_view Url::host_without_brackets() const {
  std::string_view host = host_;
  if (host_kind_ == HostKind::kIpv6) host = host.substr(1, host.size() - 2);
  return host;
}

std::optional<std::uint16_t> Url::port_or_default() const {
  if (port_.has_value()) return port_;
  const SpecialScheme* scheme = FindSpecial(scheme_);
  if (scheme == nullptr || scheme->port == 0) return std::nullopt;
  return scheme->port;
}

void Url::SetQuery(std::optional<std::string_view> query) {
  query_.reset();
  if (!query.has_value()) return;
  query_.emplace();
  AppendEncoded(is_special() ? EncodeSet::kSpecialQuery : EncodeSet::kQuery, *query, *query_);
}

void Url::ClearCredentials() {
  username_.clear();
  password_.clear();
}

std::string Url::Href() const {
  std::string href = StrCat(scheme_, ":");
  if (host_kind_ != HostKind::kNone) {
    href += "//";
    href += username_;
    if (!password_.empty()) href += StrCat(":", password_);
    if (!username_.empty() || !password_.empty()) href += '@';
    href += host_;
    if (port_.has_value()) href += StrCat(":", *port_);
  } else if (!opaque_path_ && path_.starts_with("//")) {
    // Without this the path would read as a host.
    href += "/.";
  }
  href += path_;
  if (query_.has_value()) href += StrCat("?", *query_);
  if (fragment_.has_value()) href += StrCat("#", *fragment_);
  return href;
}

std::string Url::Origin() const {
  std::string origin = StrCat(scheme_, "://", host_);
  if (port_.has_value()) origin += StrCat(":", *port_);
  return origin;
}

std::string Url::RequestTarget() const {
  std::string target = path_.empty() ? "/" : path_;
  if (query_.has_value()) target += StrCat("?", *query_);
  return target;
}

std::string Url::ForLog() const {
  Url copy = *this;
  copy.ClearCredentials();
  copy.SetQuery(std::nullopt);
  copy.ClearFragment();
  return copy.Href();
}

}  // namespace dragonfly
