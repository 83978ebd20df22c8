#include "common/ids/go_url.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "common/base/strings.h"

namespace dragonfly {
namespace {

// The rules of Go's net/url, go1.23, as far as Parse, Query and String of an absolute or relative
// reference need them. They are not those of any standard, so they are kept apart from Url.

enum class Part { kPath, kUser, kHost, kZone, kQuery, kFragment };

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool Contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

bool ShouldEscape(char c, Part part) {
  if (IsAlphanumeric(c)) return false;
  if ((part == Part::kHost || part == Part::kZone) && Contains("!$&'()*+,;=:[]<>\"", c)) return false;
  if (Contains("-_.~", c)) return false;
  if (Contains("$&+,/:;=?@", c)) {
    switch (part) {
      case Part::kPath:
        return c == '?';
      case Part::kUser:
        return Contains("@/?:", c);
      case Part::kQuery:
        return true;
      case Part::kFragment:
        return false;
      default:
        return true;
    }
  }
  return part != Part::kFragment || !Contains("!()*", c);
}

std::string Escape(std::string_view text, Part part) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ' && part == Part::kQuery) {
      out += '+';
    } else if (byte >= 0x80 || ShouldEscape(c, part)) {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
    } else {
      out += c;
    }
  }
  return out;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Nothing where Go reports an error.
std::optional<std::string> Unescape(std::string_view text, Part part) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || HexValue(text[i + 1]) < 0 || HexValue(text[i + 2]) < 0) {
        return std::nullopt;
      }
      const int value = HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]);
      // A host may escape nothing but bytes above ASCII and the '%' of a zone.
      if (part == Part::kHost && value < 0x80 && value != '%') return std::nullopt;
      if (part == Part::kZone && value < 0x80 && value != '%' && value != ' ' &&
          ShouldEscape(static_cast<char>(value), Part::kHost)) {
        return std::nullopt;
      }
      out += static_cast<char>(value);
      i += 2;
    } else if (c == '+' && part == Part::kQuery) {
      out += ' ';
    } else {
      if ((part == Part::kHost || part == Part::kZone) && static_cast<unsigned char>(c) < 0x80 &&
          ShouldEscape(c, part)) {
        return std::nullopt;
      }
      out += c;
    }
  }
  return out;
}

// Path and fragment keep the encoding they came with where Go finds it acceptable.
std::optional<std::string> Reencode(std::string_view raw, Part part) {
  const std::optional<std::string> decoded = Unescape(raw, part);
  if (!decoded.has_value()) return std::nullopt;
  const bool acceptable = std::all_of(raw.begin(), raw.end(), [part](char c) {
    return Contains("!$&'()*+,;=:@[]%", c) ||
           (static_cast<unsigned char>(c) < 0x80 && !ShouldEscape(c, part));
  });
  if (acceptable) return std::string(raw);
  return Escape(*decoded, part);
}

struct GoUrl {
  std::string scheme;
  std::string opaque;
  std::optional<std::string> userinfo;  // As String writes it.
  std::string host;                     // Decoded.
  bool omit_host = false;
  std::string path;  // As String writes it.
  std::string query;
  bool force_query = false;
  std::string fragment;  // As String writes it.
};

bool ParseHost(std::string_view text, GoUrl& url) {
  std::string_view port;
  std::size_t zone = std::string_view::npos;
  if (text.starts_with("[")) {
    const std::size_t end = text.rfind(']');
    if (end == std::string_view::npos) return false;
    port = text.substr(end + 1);
    zone = text.substr(0, end).find("%25");
    if (zone != std::string_view::npos) {
      const auto address = Unescape(text.substr(0, zone), Part::kHost);
      const auto scope = Unescape(text.substr(zone, end - zone), Part::kZone);
      const auto rest = Unescape(text.substr(end), Part::kHost);
      if (!address.has_value() || !scope.has_value() || !rest.has_value()) return false;
      url.host = StrCat(*address, *scope, *rest);
    }
  } else if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    port = text.substr(colon);
  }
  if (!port.empty() && (port[0] != ':' || !std::all_of(port.begin() + 1, port.end(), [](char c) {
        return c >= '0' && c <= '9';
      }))) {
    return false;
  }
  if (zone != std::string_view::npos) return true;
  std::optional<std::string> host = Unescape(text, Part::kHost);
  if (!host.has_value()) return false;
  url.host = *std::move(host);
  return true;
}

bool ParseAuthority(std::string_view authority, GoUrl& url) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return ParseHost(authority, url);
  if (!ParseHost(authority.substr(at + 1), url)) return false;
  const std::string_view userinfo = authority.substr(0, at);
  if (!std::all_of(userinfo.begin(), userinfo.end(), [](char c) {
        return IsAlphanumeric(c) || Contains("-._:~!$&'()*+,;=%@", c);
      })) {
    return false;
  }
  const std::size_t colon = userinfo.find(':');
  const auto name = Unescape(userinfo.substr(0, colon), Part::kUser);
  if (!name.has_value()) return false;
  url.userinfo = Escape(*name, Part::kUser);
  if (colon == std::string_view::npos) return true;
  const auto password = Unescape(userinfo.substr(colon + 1), Part::kUser);
  if (!password.has_value()) return false;
  *url.userinfo += StrCat(":", Escape(*password, Part::kUser));
  return true;
}

// Cuts the scheme off; false for the error that a URL begins with ':'.
bool ParseScheme(std::string_view& rest, GoUrl& url) {
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    const bool letter = IsAlphanumeric(c) && !(c >= '0' && c <= '9');
    if (letter) continue;
    if (c == ':') {
      if (i == 0) return false;
      url.scheme = std::string(rest.substr(0, i));
      std::transform(url.scheme.begin(), url.scheme.end(), url.scheme.begin(), [](char upper) {
        return upper >= 'A' && upper <= 'Z' ? static_cast<char>(upper + 32) : upper;
      });
      rest.remove_prefix(i + 1);
      return true;
    }
    if (i == 0 || !(Contains("+-.", c) || (c >= '0' && c <= '9'))) return true;
  }
  return true;
}

std::optional<GoUrl> ParseGoUrl(std::string_view text) {
  GoUrl url;
  const std::size_t hash = text.find('#');
  std::string_view rest = text.substr(0, hash);
  if (std::any_of(rest.begin(), rest.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
      })) {
    return std::nullopt;
  }
  if (hash != std::string_view::npos) {
    auto fragment = Reencode(text.substr(hash + 1), Part::kFragment);
    if (!fragment.has_value()) return std::nullopt;
    url.fragment = *std::move(fragment);
  }
  if (!ParseScheme(rest, url)) return std::nullopt;
  if (rest.ends_with('?') && rest.find('?') == rest.size() - 1) {
    url.force_query = true;
    rest.remove_suffix(1);
  } else if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    url.query = std::string(rest.substr(mark + 1));
    rest = rest.substr(0, mark);
  }
  if (!rest.starts_with('/')) {
    if (!url.scheme.empty()) {
      url.opaque = std::string(rest);
      return url;
    }
    if (Contains(rest.substr(0, rest.find('/')), ':')) return std::nullopt;
  }
  if (rest.starts_with("//") && (!url.scheme.empty() || !rest.starts_with("///"))) {
    const std::size_t end = std::min(rest.find('/', 2), rest.size());
    if (!ParseAuthority(rest.substr(2, end - 2), url)) return std::nullopt;
    rest.remove_prefix(end);
  } else if (!url.scheme.empty() && rest.starts_with('/')) {
    url.omit_host = true;
  }
  auto path = Reencode(rest, Part::kPath);
  if (!path.has_value()) return std::nullopt;
  url.path = *std::move(path);
  return url;
}

std::string ToString(const GoUrl& url) {
  std::string out;
  if (!url.scheme.empty()) out += StrCat(url.scheme, ":");
  if (!url.opaque.empty()) {
    out += url.opaque;
  } else {
    const bool no_authority = url.host.empty() && !url.userinfo.has_value();
    if ((!url.scheme.empty() || !no_authority) && !(url.omit_host && no_authority)) {
      if (!no_authority || !url.path.empty()) out += "//";
      if (url.userinfo.has_value()) out += StrCat(*url.userinfo, "@");
      out += Escape(url.host, Part::kHost);
    }
    if (!url.path.empty() && url.path[0] != '/' && !url.host.empty()) out += '/';
    if (out.empty() && Contains(url.path.substr(0, url.path.find('/')), ':')) out += "./";
    out += url.path;
  }
  if (url.force_query || !url.query.empty()) out += StrCat("?", url.query);
  if (!url.fragment.empty()) out += StrCat("#", url.fragment);
  return out;
}

// Values by key; sorted keys are the order Go writes them in.
std::map<std::string, std::vector<std::string>> ParseQuery(std::string_view query) {
  std::map<std::string, std::vector<std::string>> values;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty() || Contains(pair, ';')) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto key = Unescape(pair.substr(0, equals), Part::kQuery);
    auto value = Unescape(pair.substr(std::min(equals + 1, pair.size())), Part::kQuery);
    if (key.has_value() && value.has_value()) values[*key].push_back(*std::move(value));
  }
  return values;
}

}  // namespace

std::string FilterQueryParamsAsGo(std::string_view url,
                                  std::span<const std::string> filtered_query_params) {
  if (filtered_query_params.empty()) return std::string(url);
  std::optional<GoUrl> parsed = ParseGoUrl(url);
  if (!parsed.has_value()) return "";
  auto values = ParseQuery(parsed->query);
  for (const std::string& name : filtered_query_params) values.erase(name);
  parsed->query.clear();
  for (const auto& [key, list] : values) {
    for (const std::string& value : list) {
      if (!parsed->query.empty()) parsed->query += '&';
      parsed->query += StrCat(Escape(key, Part::kQuery), "=", Escape(value, Part::kQuery));
    }
  }
  return ToString(*parsed);
}

}  // namespace dragonfly
