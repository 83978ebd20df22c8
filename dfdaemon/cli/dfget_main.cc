// dfget: downloads one file through the dfdaemon of this node.

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/base/strings.h"
#include "common/log/open_log.h"
#include "common/net/url.h"
#include "dfdaemon/cli/dfget_client.h"
#include "dfdaemon/cli/dfget_options.h"
#include "dfdaemon/cli/interrupts.h"
#include "dfdaemon/cli/progress.h"
#include "dfdaemon/cli/report.h"

namespace dragonfly::dfdaemon {
namespace {

bool ColourWanted(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  return ::isatty(fd) != 0 && (no_colour == nullptr || *no_colour == '\0');
}

// A terminal that does not tell its width (a recording, a console of a container) gets the whole
// bar.
constexpr std::size_t kUnknownWidth = 200;

std::size_t TerminalWidth() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                           : kUnknownWidth;
}

// Draws a bar of two lines on stderr and moves back over it for the next drawing.
class TerminalProgress {
 public:
  TerminalProgress(std::string title, bool colour)
      : bar_(std::move(title), std::chrono::steady_clock::now(), TerminalWidth()),
        colour_(colour) {}

  void Started(std::uint64_t total) {
    bar_.SetTotal(total);
    Draw();
  }
  void Piece(std::uint64_t length) {
    bar_.Add(length, std::chrono::steady_clock::now());
    Draw();
  }
  void End() const {
    if (drawn_) std::fputc('\n', stderr);
  }

 private:
  void Draw() {
    const auto now = std::chrono::steady_clock::now();
    if (!bar_.DrawingDue(now)) return;
    // One line up, and clear to the end of the screen.
    if (drawn_) std::fputs("\r\x1b[1A\x1b[J", stderr);
    std::fputs(bar_.Draw(now, colour_).c_str(), stderr);
    std::fflush(stderr);
    drawn_ = true;
  }

  ProgressBar bar_;
  bool colour_;
  bool drawn_ = false;
};

int Print(const std::string& text, int exit_code) {
  std::fputs(text.c_str(), exit_code == 2 ? stderr : stdout);
  return exit_code;
}

// Directory downloads need a source that can list; the daemon has none yet, and http never has.
std::string UnsupportedDirectory(const DfgetOptions& options, const ReportWriter& reports) {
  const auto url = Url::Parse(options.url);
  return reports.Failed("Downloading Failed!",
                        StrCat("unsupported ", url->scheme(), " download directory"));
}

std::unique_ptr<TerminalProgress> MakeProgress(const DfgetOptions& options) {
  if (options.no_progress || ::isatty(STDERR_FILENO) == 0) return nullptr;
  const auto url = Url::Parse(options.url);
  return std::make_unique<TerminalProgress>(PercentDecode(url->path()),
                                            ColourWanted(STDERR_FILENO));
}

// The user may think that other nodes gave the bytes, and plan by it.
void TellOfSource(const DfgetResult& result) {
  if (result.from_source == 0) return;
  const auto all = static_cast<double>(result.from_source + result.from_peers + result.local);
  std::fprintf(stderr, "dfget: %s of %s were read from the source, not from peers\n",
               FormatBytes(static_cast<double>(result.from_source)).c_str(),
               FormatBytes(all).c_str());
}

Logger OpenConsole(const DfgetOptions& options) {
  if (!options.console) return Logger();
  LogOptions log;
  log.console = true;
  log.level = ParseLogLevel(options.log_level).value_or(LogLevel::kInfo);
  auto opened = OpenLog(log);
  return opened.ok() ? *std::move(opened) : Logger();
}

int Download(const DfgetOptions& options, const ReportWriter& reports,
             InterruptWatcher& interrupts) {
  const auto progress = MakeProgress(options);
  DfgetCallbacks callbacks;
  callbacks.interrupted = [&interrupts](std::function<void()> cancel) {
    interrupts.OnInterrupt(std::move(cancel));
  };
  if (progress) {
    callbacks.started = [&progress](std::uint64_t total) { progress->Started(total); };
    callbacks.piece = [&progress](std::uint64_t length) { progress->Piece(length); };
  }
  const DfgetResult result = RunDfget(options, reports, callbacks);
  if (progress) progress->End();
  if (interrupts.signal() != 0) return 1;
  if (!result.ok) return Print(result.report, 1);
  if (!options.no_progress) TellOfSource(result);
  return 0;
}

int Main(int argc, const char* const* argv) {
  DfgetCommand command = ParseDfgetCommand(argc, argv);
  if (!command.run) return Print(command.text, command.exit_code);
  DfgetOptions& options = command.options;
  const ReportWriter reports(ColourWanted(STDOUT_FILENO));
  if (const auto valid = ValidateDfgetOptions(options); !valid.ok()) {
    return Print(reports.ValidationFailed(ToStd(valid.message())), 1);
  }
  if (IsDirectoryDownload(options)) return Print(UnsupportedDirectory(options, reports), 1);

  int signal = 0;
  int exit_code = 0;
  {
    // Before anything starts a thread, so that all of them leave the signals to the watcher.
    InterruptWatcher interrupts;
    const Logger log = OpenConsole(options);
    log.Info(StrCat("download file to: ", options.output), {{"url", RedactUrl(options.url)}});
    exit_code = Download(options, reports, interrupts);
    signal = interrupts.signal();
  }
  // The shell wants to see that the signal ended us.
  if (signal != 0) DieBy(signal);
  return exit_code;
}

}  // namespace
}  // namespace dragonfly::dfdaemon

int main(int argc, char** argv) {
  const int exit_code = dragonfly::dfdaemon::Main(argc, argv);
  // What has to be ended is; taking gRPC's threads down one by one would only keep the caller
  // waiting.
  std::fflush(nullptr);
  ::_exit(exit_code);
}
