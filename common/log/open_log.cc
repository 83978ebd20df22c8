#include "common/log/open_log.h"

#include <atomic>
#include <filesystem>
#include <mutex>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/os.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "absl/container/flat_hash_map.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/log/rotating_file.h"

namespace dragonfly {
namespace {

constexpr std::size_t kQueueRecords = 4096;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  return static_cast<spdlog::level::level_enum>(level == LogLevel::kOff ? spdlog::level::off
                                                                        : static_cast<int>(level));
}

// The time's text changes once a second; the rest of a line is cheap.
class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(LogFormat format) : format_(format) {}

  void format(const spdlog::details::log_msg& record, spdlog::memory_buf_t& out) override {
    const auto since_epoch = record.time.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
    if (seconds != cached_) Remember(seconds);
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(since_epoch - seconds).count();
    const std::string_view payload(record.payload.data(), record.payload.size());
    auto to = fmt::appender(out);
    if (format_ == LogFormat::kJson) {
      fmt::format_to(to, R"({{"level":"{}","ts":"{}.{:03}",{}}})", Name(record.level), time_,
                     micros / 1000, payload);
    } else {
      fmt::format_to(to, "{}.{:06}{} {:>5} {}", time_, micros, zone_, Name(record.level), payload);
    }
    out.push_back('\n');
  }

  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(format_);
  }

 private:
  [[nodiscard]] std::string_view Name(spdlog::level::level_enum level) const {
    constexpr std::array<std::string_view, 6> kUpper = {"TRACE", "DEBUG", "INFO",
                                                        "WARN",  "ERROR", "OFF"};
    const auto index = std::min<std::size_t>(static_cast<std::size_t>(level), 5);
    return format_ == LogFormat::kJson ? LogLevelName(static_cast<LogLevel>(index)) : kUpper[index];
  }

  void Remember(std::chrono::seconds seconds) {
    const std::tm local = spdlog::details::os::localtime(static_cast<std::time_t>(seconds.count()));
    time_ = fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}", local.tm_year + 1900,
                        local.tm_mon + 1, local.tm_mday, format_ == LogFormat::kJson ? ' ' : 'T',
                        local.tm_hour, local.tm_min, local.tm_sec);
    const long minutes = local.tm_gmtoff / 60;
    zone_ = fmt::format("{}{:02}:{:02}", minutes < 0 ? '-' : '+', std::abs(minutes) / 60,
                        std::abs(minutes) % 60);
    cached_ = seconds;
  }

  LogFormat format_;
  std::chrono::seconds cached_{-1};
  std::string time_;
  std::string zone_;
};

class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(internal::RotatingFile file) : file_(std::move(file)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& record) override {
    spdlog::memory_buf_t line;
    formatter_->format(record, line);
    const absl::Status status = file_.Append({line.data(), line.size()});
    // spdlog's error handler prints it to stderr, at most once a second.
    if (!status.ok()) throw spdlog::spdlog_ex(std::string(status.message()));
  }
  // Every record was written when it was formatted.
  void flush_() override {}

 private:
  internal::RotatingFile file_;
};

// What the files of one log share. Its end drains the queue.
struct LogCore {
  std::atomic<LogLevel> level;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  absl::flat_hash_map<std::string, std::shared_ptr<spdlog::async_logger>> channels;
  std::atomic<std::size_t> reported_lost{0};
};

class SpdlogWriter final : public LogWriter {
 public:
  SpdlogWriter(LogFormat format, std::shared_ptr<LogCore> core,
               std::shared_ptr<spdlog::async_logger> logger)
      : LogWriter(format, LogLevel::kInfo), core_(std::move(core)), logger_(std::move(logger)) {}

  void Write(LogLevel level, std::string_view record) override {
    ReportLost();
    logger_->log(ToSpdlog(level), spdlog::string_view_t(record.data(), record.size()));
  }

  std::shared_ptr<LogWriter> Channel(std::string_view name) override {
    const auto found = core_->channels.find(std::string(name));
    if (found == core_->channels.end()) return nullptr;
    return std::make_shared<SpdlogWriter>(format(), core_, found->second);
  }

  LogLevel level() const override { return core_->level.load(std::memory_order_relaxed); }
  void SetLevel(LogLevel level) override { core_->level.store(level, std::memory_order_relaxed); }

 private:
  // The pool counts what it overwrote. Told at most once per queue length, or the news would push
  // out yet more records.
  void ReportLost() {
    const std::size_t lost = core_->pool->overrun_counter();
    std::size_t reported = core_->reported_lost.load(std::memory_order_relaxed);
    if (lost == reported || core_->pool->queue_size() > kQueueRecords / 2) return;
    if (!core_->reported_lost.compare_exchange_strong(reported, lost)) return;
    const std::string text =
        format() == LogFormat::kJson
            ? StrCat("\"msg\":\"log records were lost, the disk is too slow\",\"records\":",
                     lost - reported)
            : StrCat("log records were lost, the disk is too slow records=", lost - reported);
    logger_->log(spdlog::level::warn, spdlog::string_view_t(text));
  }

  std::shared_ptr<LogCore> core_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

absl::Status MakeDirectory(const std::string& dir) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(dir, error);
  if (error) return absl::ErrnoToStatus(error.value(), StrCat("create the log directory ", dir));
  if (made) std::filesystem::permissions(dir, std::filesystem::perms::owner_all, error);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<spdlog::async_logger>> OpenOne(
    const LogOptions& options, const std::string& file,
    const std::shared_ptr<spdlog::sinks::sink>& console,
    const std::shared_ptr<spdlog::details::thread_pool>& pool) {
  std::vector<spdlog::sink_ptr> sinks;
  if (!options.dir.empty()) {
    ASSIGN_OR_RETURN(auto opened,
                     internal::RotatingFile::Open(
                         (std::filesystem::path(options.dir) / file).string(),
                         {options.max_file_size, options.max_old_files, options.max_age}));
    sinks.push_back(std::make_shared<FileSink>(std::move(opened)));
  }
  if (console != nullptr) sinks.push_back(console);
  auto logger = std::make_shared<spdlog::async_logger>(
      file, sinks.begin(), sinks.end(), pool, spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::trace);  // LogCore::level decides.
  logger->set_formatter(std::make_unique<LineFormatter>(options.format));
  return logger;
}

}  // namespace

absl::StatusOr<Logger> OpenLog(const LogOptions& options) {
  if (options.dir.empty() && !options.console) return Logger();
  if (!options.dir.empty()) RETURN_IF_ERROR(MakeDirectory(options.dir));
  auto core = std::make_shared<LogCore>();
  core->level = options.level;
  std::shared_ptr<spdlog::sinks::sink> console;
  if (options.console) console = std::make_shared<spdlog::sinks::stdout_sink_mt>();
  core->pool = std::make_shared<spdlog::details::thread_pool>(kQueueRecords, 1);
  ASSIGN_OR_RETURN(auto main, OpenOne(options, options.file, console, core->pool));
  for (const std::string& channel : options.channels) {
    ASSIGN_OR_RETURN(auto opened, OpenOne(options, StrCat(channel, ".log"), console, core->pool));
    core->channels.emplace(channel, std::move(opened));
  }
  return Logger(std::make_shared<SpdlogWriter>(options.format, std::move(core), std::move(main)));
}

absl::Status RedirectStandardStreams(const std::string& dir) {
  RETURN_IF_ERROR(MakeDirectory(dir));
  for (const auto& [name, target] : {std::pair("stdout.log", STDOUT_FILENO),
                                     std::pair("stderr.log", STDERR_FILENO)}) {
    const std::string path = (std::filesystem::path(dir) / name).string();
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return absl::ErrnoToStatus(errno, StrCat("open ", path));
    const int result = ::dup2(fd, target);
    const int error = errno;
    ::close(fd);
    if (result < 0) return absl::ErrnoToStatus(error, StrCat("redirect to ", path));
  }
  return absl::OkStatus();
}

}  // namespace dragonfly
