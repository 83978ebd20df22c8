#include "common/http/router.h"

#include <map>
#include <utility>
#include <variant>

namespace dragonfly {

struct HttpRouter::Table {
  using Entry = std::variant<SyncHandler, AsyncHandler>;
  // path -> method -> handler.
  std::map<std::string, std::map<std::string, Entry>, std::less<>> paths;

  static Awaitable<> Serve(std::shared_ptr<const Table> table, HttpRequest& request,
                           HttpResponder& responder) {
    HttpResponse response = co_await Answer(*table, request);
    (void)co_await responder.Send(std::move(response));
  }

  static Awaitable<HttpResponse> Answer(const Table& table, HttpRequest& request) {
    const auto path = table.paths.find(request.Path());
    if (path == table.paths.end()) co_return HttpResponse::Text(404, "not found\n");
    const auto& methods = path->second;
    auto found = methods.find(request.method);
    if (found == methods.end() && request.method == "HEAD") found = methods.find("GET");
    if (found == methods.end()) {
      std::string allow;
      for (const auto& [method, entry] : methods) {
        if (!allow.empty()) allow.append(", ");
        allow.append(method);
      }
      HttpResponse refused = HttpResponse::Text(405, "method not allowed\n");
      refused.headers.emplace_back("Allow", std::move(allow));
      co_return refused;
    }
    if (const auto* sync = std::get_if<SyncHandler>(&found->second)) co_return (*sync)();
    co_return co_await std::get<AsyncHandler>(found->second)(request);
  }
};

HttpRouter::HttpRouter() : table_(std::make_shared<Table>()) {}
HttpRouter::~HttpRouter() = default;
HttpRouter::HttpRouter(HttpRouter&&) noexcept = default;
HttpRouter& HttpRouter::operator=(HttpRouter&&) noexcept = default;

void HttpRouter::Add(std::string method, std::string path, SyncHandler handler) {
  table_->paths[std::move(path)].insert_or_assign(std::move(method), std::move(handler));
}

void HttpRouter::AddAsync(std::string method, std::string path, AsyncHandler handler) {
  table_->paths[std::move(path)].insert_or_assign(std::move(method), std::move(handler));
}

HttpHandler HttpRouter::Handler() const {
  return [table = std::shared_ptr<const Table>(table_)](HttpRequest& request,
                                                        HttpResponder& responder) {
    return Table::Serve(table, request, responder);
  };
}

}  // namespace dragonfly
