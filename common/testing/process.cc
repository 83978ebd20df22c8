#include "common/testing/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"

namespace dragonfly {
namespace {

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool Accepts(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const sockaddr_in address = Loopback(port);
  const bool accepts =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return accepts;
}

std::vector<std::string> WithPort(std::vector<std::string> argv, std::uint16_t port) {
  constexpr std::string_view kPlace = "{port}";
  for (std::string& argument : argv) {
    for (std::size_t at = argument.find(kPlace); at != std::string::npos;
         at = argument.find(kPlace, at)) {
      argument.replace(at, kPlace.size(), std::to_string(port));
    }
  }
  return argv;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Only what is safe between fork and exec of a process with threads.
[[noreturn]] void Exec(char* const* argv, char* const* env, const char* dir, const char* output,
                       pid_t parent) {
  // The child must not outlive a test that is killed.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int out = ::open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int in = ::open("/dev/null", O_RDONLY);
  if (out < 0 || in < 0 || ::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(out, 2) < 0) {
    ::_exit(126);
  }
  if (*dir != '\0' && ::chdir(dir) != 0) ::_exit(126);
  ::execve(argv[0], argv, env);
  ::_exit(127);
}

absl::StatusOr<Process> StartAndProbe(const ProcessOptions& options, std::uint16_t port,
                                      Duration limit) {
  ProcessOptions filled = options;
  filled.argv = WithPort(options.argv, port);
  ASSIGN_OR_RETURN(Process process, Process::Start(filled));
  bool ready = false;
  const bool in_time = WaitFor(
      [&] {
        if (!process.running()) return true;
        ready = Accepts(port);
        return ready;
      },
      limit);
  if (ready) return process;
  return absl::UnavailableError(
      StrCat(options.argv[0], in_time ? " ended early: " : " does not listen in time: ",
             options.output_file.empty() ? std::string("(no output_file)")
                                         : ReadFile(options.output_file).value_or("")));
}

}  // namespace

std::uint16_t FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  DF_CHECK(fd >= 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  DF_CHECK(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  DF_CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

std::optional<std::string> FindProgram(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream dirs(StrCat(path == nullptr ? "/usr/bin:/bin" : path, ":/usr/sbin:/sbin"));
  for (std::string dir; std::getline(dirs, dir, ':');) {
    std::string candidate = StrCat(dir, "/", name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

absl::StatusOr<Process> Process::Start(const ProcessOptions& options) {
  DF_CHECK(!options.argv.empty());
  std::vector<std::string> argv_text = options.argv;
  std::vector<std::string> env_text;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!options.env.contains(std::string(text.substr(0, text.find('='))))) {
      env_text.emplace_back(text);
    }
  }
  for (const auto& [key, value] : options.env) env_text.push_back(StrCat(key, "=", value));
  const std::vector<char*> argv = Pointers(argv_text);
  const std::vector<char*> env = Pointers(env_text);
  const std::string output = options.output_file.empty() ? "/dev/null" : options.output_file;
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) Exec(argv.data(), env.data(), options.dir.c_str(), output.c_str(), parent);
  return Process(pid);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Stop();
    pid_ = std::exchange(other.pid_, -1);
    exit_code_ = other.exit_code_;
  }
  return *this;
}

Process::~Process() { Stop(); }

bool Process::running() {
  if (pid_ < 0 || exit_code_.has_value()) return false;
  int status = 0;
  const pid_t result = ::waitpid(pid_, &status, WNOHANG);
  if (result == 0) return true;
  exit_code_ = result < 0 ? 255 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

void Process::Signal(int number) const {
  if (pid_ > 0 && !exit_code_.has_value()) ::kill(pid_, number);
}

absl::StatusOr<int> Process::Wait(Duration limit) {
  if (!WaitFor([this] { return !running(); }, limit)) {
    return absl::DeadlineExceededError("the process still runs");
  }
  return exit_code_.value_or(255);
}

void Process::Stop(Duration grace) {
  if (!running()) return;
  Signal(SIGTERM);
  if (!Wait(grace).ok()) Kill();
}

void Process::Kill() {
  if (!running()) return;
  Signal(SIGKILL);
  (void)Wait();
}

absl::StatusOr<RealServer> RealServer::Start(const ProcessOptions& options, Duration limit) {
  constexpr int kTries = 3;  // Another process may take the port first.
  absl::Status last;
  for (int i = 0; i < kTries; ++i) {
    const std::uint16_t port = FreePort();
    auto process = StartAndProbe(options, port, limit);
    if (process.ok()) return RealServer(options, port, *std::move(process));
    last = process.status();
  }
  return last;
}

std::string RealServer::address() const { return StrCat("127.0.0.1:", port_); }

absl::Status RealServer::Restart(Duration limit) {
  process_.Stop();
  ASSIGN_OR_RETURN(process_, StartAndProbe(options_, port_, limit));
  return absl::OkStatus();
}

absl::StatusOr<RealServer> StartRedis(const std::string& dir) {
  const auto program = FindProgram("redis-server");
  if (!program) return absl::NotFoundError("redis-server is not installed");
  ProcessOptions options;
  options.argv = {*program, "--port", "{port}", "--bind", "127.0.0.1", "--save", "",
                  "--appendonly", "no", "--dir", dir};
  options.dir = dir;
  options.output_file = StrCat(dir, "/redis.log");
  return RealServer::Start(options);
}

}  // namespace dragonfly
