#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/http/server.h"

namespace dragonfly {

/// Paths to handlers, for small fixed sets: health, metrics, profiling. Fill it, then pass Handler()
/// to HttpServer::Listen. HEAD is answered by the handler of GET; an unknown path with 404, an
/// unknown method with 405 and Allow.
class HttpRouter {
 public:
  using SyncHandler = std::function<HttpResponse()>;
  using AsyncHandler = std::function<Awaitable<HttpResponse>(HttpRequest&)>;

  HttpRouter();
  ~HttpRouter();
  HttpRouter(HttpRouter&&) noexcept;
  HttpRouter& operator=(HttpRouter&&) noexcept;

  /// `path` is compared as it is, without the query. Handlers run on executors of the server, several
  /// at the same time.
  void Add(std::string method, std::string path, SyncHandler handler);
  void AddAsync(std::string method, std::string path, AsyncHandler handler);

  /// Copies share the table; add nothing afterwards.
  [[nodiscard]] HttpHandler Handler() const;

 private:
  struct Table;
  std::shared_ptr<Table> table_;
};

}  // namespace dragonfly
