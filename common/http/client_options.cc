#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include <openssl/evp.h>

#include "common/http/client.h"

namespace dragonfly {
namespace {

std::string FirstOf(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return {};
}

}  // namespace

HttpProxies HttpProxies::FromEnvironment() {
  HttpProxies proxies;
  // In a CGI program HTTP_PROXY is the header "Proxy" of whoever called it.
  const bool cgi = std::getenv("REQUEST_METHOD") != nullptr;
  proxies.http = cgi ? FirstOf({"http_proxy"}) : FirstOf({"http_proxy", "HTTP_PROXY"});
  proxies.https = FirstOf({"https_proxy", "HTTPS_PROXY"});
  const std::string all = FirstOf({"all_proxy", "ALL_PROXY"});
  if (proxies.http.empty()) proxies.http = all;
  if (proxies.https.empty()) proxies.https = all;
  proxies.no_proxy = FirstOf({"no_proxy", "NO_PROXY"});
  return proxies;
}

std::string PemFromDer(const std::vector<std::string>& certificates) {
  constexpr std::size_t kBytesPerLine = 48;  // 64 characters of Base64.
  std::string pem;
  for (const std::string& der : certificates) {
    pem += "-----BEGIN CERTIFICATE-----\n";
    for (std::size_t at = 0; at < der.size(); at += kBytesPerLine) {
      const std::string line = der.substr(at, kBytesPerLine);
      unsigned char encoded[kBytesPerLine / 3 * 4 + 1];
      const int length = EVP_EncodeBlock(encoded, reinterpret_cast<const unsigned char*>(line.data()),
                                         static_cast<int>(line.size()));
      pem.append(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(length));
      pem += '\n';
    }
    pem += "-----END CERTIFICATE-----\n";
  }
  return pem;
}

}  // namespace dragonfly
