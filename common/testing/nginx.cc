#include "common/testing/nginx.h"

#include "common/base/strings.h"
#include "common/testing/temp_dir.h"

namespace dragonfly {

absl::StatusOr<RealServer> StartNginx(const std::string& dir, const std::string& root,
                                      const std::string& server_lines) {
  const auto program = FindProgram("nginx");
  if (!program) return absl::NotFoundError("nginx is not installed");
  // "user root" because the workers of a root's nginx could not read the test's directories.
  WriteFile(dir + "/template",
            StrCat("user root;\ndaemon off;\nworker_processes 1;\npid ", dir, "/nginx.pid;\n",
                   "events {}\nhttp {\n access_log off; sendfile on; sendfile_max_chunk 2m;\n",
                   " tcp_nopush on; keepalive_requests 1000000;\n", " client_body_temp_path ", dir,
                   "/t1; proxy_temp_path ", dir, "/t2; fastcgi_temp_path ", dir,
                   "/t3; uwsgi_temp_path ", dir, "/t4; scgi_temp_path ", dir, "/t5;\n",
                   " server { listen 127.0.0.1:PORT; root ", root, ";\n", server_lines, " }\n}\n"));
  ProcessOptions options;
  options.argv = {"/bin/sh", "-c",
                  StrCat("sed 's/127.0.0.1:PORT/127.0.0.1:{port}/' ", dir, "/template > ", dir,
                         "/nginx.conf && exec ", *program, " -e ", dir, "/error.log -p ", dir,
                         " -c ", dir, "/nginx.conf")};
  options.output_file = StrCat(dir, "/console.log");
  return RealServer::Start(options);
}

}  // namespace dragonfly
