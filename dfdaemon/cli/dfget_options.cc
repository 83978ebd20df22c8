#include "dfdaemon/cli/dfget_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/strings/ascii.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/types.h"
#include "common/config/values.h"
#include "common/digest/digest.h"
#include "common/net/url.h"
#include "common/version/version.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::uint64_t kMinPieceLength = 4 * kMiB;

constexpr std::string_view kExamples = R"(
Examples:
  dfget https://example.com/model.bin --output /data/model.bin
  dfget https://example.com/model.bin -O model.bin --digest sha256:HEX
  dfget https://example.com/private -O private -H 'Authorization: Bearer TOKEN')";

std::string ParentOf(const std::filesystem::path& path) { return path.parent_path().string(); }

// What CLI11 fills in as text and this file turns into values.
struct RawValues {
  std::string timeout;
  std::string piece_length;
  bool version = false;
};

void AddFlags(CLI::App& app, DfgetOptions& options, RawValues& raw) {
  app.add_option("url", options.url, "URL of the file")->required();
  app.add_option("-O,--output", options.output, "Path of the output file")->required();
  app.add_option("-e,--endpoint", options.endpoint, "Unix socket of the dfdaemon")
      ->capture_default_str();
  app.add_flag("--transfer-from-dfdaemon", options.transfer_from_dfdaemon,
               "Receive the bytes over the socket and write the file here, not in the daemon")
      ->envname("DFGET_TRANSFER_FROM_DFDAEMON");
  app.add_flag("--overwrite", options.overwrite, "Replace an existing output file")
      ->envname("DFGET_OVERWRITE");
  app.add_flag("--force-hard-link", options.force_hard_link,
               "Fail instead of copying when the output cannot be a hard link of the cached file")
      ->envname("DFGET_FORCE_HARD_LINK");
  app.add_option("--content-for-calculating-task-id", options.content_for_calculating_task_id,
                 "Text that replaces URL, tag and application in the task id")
      ->envname("DFGET_CONTENT_FOR_CALCULATING_TASK_ID");
  app.add_flag("-r,--recursive", options.recursive, "Treat the URL as a directory");
  app.add_option("--timeout", raw.timeout,
                 "Limit for the whole download, such as 90s or 1h30m; without it the daemon has 2h "
                 "to accept the task and the transfer has no limit")
      ->envname("DFGET_TIMEOUT");
  app.add_option("--digest", options.digest,
                 "Expected digest: sha256:HEX, sha512:HEX or crc32:NUMBER");
  app.add_option("-p,--priority", options.priority, "Priority of the download, 0 to 6")
      ->envname("DFGET_PRIORITY")
      ->capture_default_str();
  app.add_option("--piece-length", raw.piece_length,
                 "Piece length, at least 4mib; by content length when not given")
      ->envname("DFGET_PIECE_LENGTH");
  app.add_option("--application", options.application, "Application, part of the task id")
      ->envname("DFGET_APPLICATION");
  app.add_option("--tag", options.tag, "Tag, part of the task id")->envname("DFGET_TAG");
  app.add_option("-H,--header", options.headers, "Header for the source, 'Name: value'; repeatable")
      ->allow_extra_args(false);
  app.add_option("--filtered-query-param", options.filtered_query_params,
                 "Query parameter to ignore in the task id; repeatable; replaces the built-in list")
      ->allow_extra_args(false);
  app.add_option("-I,--include-files", options.include_files,
                 "File below the URL of a directory download; repeatable")
      ->allow_extra_args(false);
  app.add_flag("--disable-back-to-source", options.disable_back_to_source,
               "Fail instead of reading from the source")
      ->envname("DFGET_DISABLE_BACK_TO_SOURCE");
  app.add_flag("--no-progress", options.no_progress, "Do not draw the progress bar")
      ->envname("DFGET_NO_PROGRESS");
  app.add_option("-l,--log-level", options.log_level, "trace, debug, info, warn or error")
      ->envname("DFGET_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_flag("--console", options.console, "Print what dfget does to stdout")
      ->envname("DFGET_CONSOLE");
  app.add_flag("-V,--version", raw.version, "Print the version");
}

// Flags that only sources other than http and https, or directories, look at.
void AddSourceFlags(CLI::App& app, DfgetOptions& options) {
  app.add_option("--storage-region", options.storage_region, "Region of the object storage")
      ->envname("DFGET_STORAGE_REGION");
  app.add_option("--storage-endpoint", options.storage_endpoint, "Endpoint of the object storage")
      ->envname("DFGET_STORAGE_ENDPOINT");
  app.add_option("--storage-access-key-id", options.storage_access_key_id,
                 "Access key id of the object storage")
      ->envname("DFGET_STORAGE_ACCESS_KEY_ID");
  app.add_option("--storage-access-key-secret", options.storage_access_key_secret,
                 "Access key secret of the object storage")
      ->envname("DFGET_STORAGE_ACCESS_KEY_SECRET");
  app.add_option("--storage-security-token", options.storage_security_token,
                 "Security token of the object storage")
      ->envname("DFGET_STORAGE_SECURITY_TOKEN");
  app.add_option("--storage-session-token", options.storage_session_token,
                 "Session token of the object storage")
      ->envname("DFGET_STORAGE_SESSION_TOKEN");
  app.add_option("--storage-credential-path", options.storage_credential_path,
                 "Credential file of the object storage, on the daemon's file system")
      ->envname("DFGET_STORAGE_CREDENTIAL_PATH");
  app.add_option("--storage-predefined-acl", options.storage_predefined_acl,
                 "Predefined ACL of the object storage")
      ->envname("DFGET_STORAGE_PREDEFINED_ACL")
      ->capture_default_str();
  app.add_option("--storage-insecure-skip-verify", options.storage_insecure_skip_verify,
                 "true: do not verify the certificate of the object storage")
      ->envname("DFGET_STORAGE_INSECURE_SKIP_VERIFY");
  app.add_option("--hf-revision", options.hf_revision, "Revision at Hugging Face")
      ->envname("DFGET_HF_REVISION")
      ->capture_default_str();
  app.add_option("--hf-token", options.hf_token, "Access token of Hugging Face")
      ->envname("DFGET_HF_TOKEN");
  app.add_option("--hf-base-url", options.hf_base_url, "Address of Hugging Face or a mirror")
      ->envname("DFGET_HF_BASE_URL")
      ->capture_default_str();
  app.add_option("--ms-revision", options.ms_revision, "Revision at ModelScope")
      ->envname("DFGET_MS_REVISION")
      ->capture_default_str();
  app.add_option("--ms-token", options.ms_token, "Access token of ModelScope")
      ->envname("DFGET_MS_TOKEN");
  app.add_option("--ms-base-url", options.ms_base_url, "Address of ModelScope")
      ->envname("DFGET_MS_BASE_URL")
      ->capture_default_str();
  app.add_option("--hdfs-delegation-token", options.hdfs_delegation_token,
                 "Delegation token of HDFS")
      ->envname("DFGET_HDFS_DELEGATION_TOKEN");
  app.add_option("--max-files", options.max_files, "Most files of a directory download")
      ->envname("DFGET_MAX_FILES")
      ->capture_default_str();
  app.add_option("--max-concurrent-requests", options.max_concurrent_requests,
                 "Files of a directory download at the same time")
      ->envname("DFGET_MAX_CONCURRENT_REQUESTS")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

std::string UsageError(std::string_view message) {
  return StrCat("error: ", message,
                "\n\nUsage: dfget [OPTIONS] --output <OUTPUT> <URL>\n\n"
                "For more information, try '--help'.\n");
}

DfgetCommand Usage(std::string_view message) {
  return {.run = false, .exit_code = 2, .text = UsageError(message), .options = {}};
}

// The original accepts a switch only without a value, and says so in these words.
std::optional<std::string> SwitchWithValue(int argc, const char* const* argv) {
  static constexpr std::string_view kSwitches[] = {
      "--transfer-from-dfdaemon", "--overwrite",   "--force-hard-link", "--recursive",
      "--disable-back-to-source", "--no-progress", "--console",         "--version"};
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--") break;
    const auto equals = argument.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = argument.substr(0, equals);
    if (std::find(std::begin(kSwitches), std::end(kSwitches), name) != std::end(kSwitches)) {
      return StrCat("unexpected value '", argument.substr(equals + 1), "' for '", name,
                    "' found; no more were expected");
    }
  }
  return std::nullopt;
}

// An option that appears twice, in the original's words; nothing when each appears once.
std::optional<std::string> Repeated(const CLI::App& app) {
  static constexpr std::string_view kRepeatable[] = {"--header", "--filtered-query-param",
                                                     "--include-files"};
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (option->count() <= 1 ||
        std::find(std::begin(kRepeatable), std::end(kRepeatable), name) != std::end(kRepeatable)) {
      continue;
    }
    return StrCat("the argument '", name, "' cannot be used multiple times");
  }
  return std::nullopt;
}

// Whether `pattern` means something to a shell: every class that opens also closes.
bool IsGlob(std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '[') continue;
    // `]` in front is a member of the class.
    const std::size_t first = pattern.substr(i + 1).starts_with('!') ? i + 2 : i + 1;
    i = pattern.find(']', first + 1);
    if (i == std::string_view::npos) return false;
  }
  return pattern.find("***") == std::string_view::npos;
}

absl::Status CheckIncludeFile(const std::string& text) {
  if (!IsGlob(text)) {
    return absl::InvalidArgumentError(
        StrCat("invalid glob pattern in include_files: '", text, "'"));
  }
  const std::filesystem::path path(text);
  bool normal = !path.empty() && path.is_relative();
  bool first = true;
  for (const auto& part : path) {
    // A dot inside of a path changes nothing; in front it is a typing error.
    if (part == ".." || (part == "." && first)) normal = false;
    first = false;
  }
  if (normal) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("path is not a normal relative path in include_files: '",
                                           text,
                                           "'. It must not contain '..', '.', or start with '/'."));
}

// The algorithms the original's dfget knows, in its words.
absl::Status CheckDigest(const std::string& text) {
  const auto invalid = [&text](std::string_view reason) {
    return absl::InvalidArgumentError(StrCat("invalid digest(", text, "): ", reason));
  };
  const auto colon = text.find(':');
  if (colon == std::string::npos) return invalid(StrCat("invalid digest: ", text));
  const std::string algorithm = text.substr(0, colon);
  const std::size_t length = text.size() - colon - 1;
  if (algorithm == "sha256" || algorithm == "sha512") {
    const std::size_t expected = algorithm == "sha256" ? 64 : 128;
    if (length != expected) {
      return invalid(
          StrCat("invalid ", algorithm, " digest length: ", length, ", expected ", expected));
    }
  } else if (algorithm != "crc32") {
    return invalid(StrCat("invalid digest algorithm: ", algorithm));
  }
  const auto digest = ParseDigest(text);
  return digest.ok() ? absl::OkStatus() : invalid(ToStd(digest.status().message()));
}

bool AsksForVersion(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--") return false;
    if (argument == "-V" || argument == "--version") return true;
  }
  return false;
}

}  // namespace

DfgetCommand ParseDfgetCommand(int argc, const char* const* argv) {
  // -V answers even when required arguments are missing.
  if (AsksForVersion(argc, argv)) {
    return {.run = false, .exit_code = 0, .text = VersionLine("dfget") + "\n", .options = {}};
  }
  if (const auto error = SwitchWithValue(argc, argv)) return Usage(*error);

  DfgetCommand command;
  RawValues raw;
  CLI::App app(
      "Downloads a file through the dfdaemon of this node, from other nodes where possible.",
      "dfget");
  app.footer(std::string(kExamples));
  app.set_help_flag("-h,--help", "Print this help");
  AddFlags(app, command.options, raw);
  AddSourceFlags(app, command.options);
  app.allow_extras();
  for (CLI::Option* option : app.get_options()) {
    // More than one is refused below, in other words than CLI11's.
    if (option->get_items_expected_max() == 1) {
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  try {
    app.parse(argc, const_cast<char**>(argv));
  } catch (const CLI::CallForHelp&) {
    return {.run = false, .exit_code = 0, .text = app.help(), .options = {}};
  } catch (const CLI::RequiredError&) {
    std::string names;
    if (command.options.output.empty()) names += "\n  --output <OUTPUT>";
    if (command.options.url.empty()) names += "\n  <URL>";
    return Usage(StrCat("the following required arguments were not provided:", names));
  } catch (const CLI::ParseError& error) {
    return Usage(error.what());
  }
  if (const auto extra = app.remaining(); !extra.empty()) {
    return Usage(StrCat("unexpected argument '", extra.front(), "' found"));
  }
  if (const auto repeated = Repeated(app)) return Usage(*repeated);

  auto url = Url::Parse(command.options.url);
  if (!url.ok()) {
    return Usage(StrCat("invalid value '", command.options.url,
                        "' for '<URL>': ", ToStd(url.status().message())));
  }
  if (!raw.timeout.empty()) {
    auto timeout = ParseHumantime(raw.timeout);
    if (timeout.ok() && *timeout < std::chrono::milliseconds(1)) {
      timeout = absl::InvalidArgumentError("must be at least 1ms");
    }
    if (!timeout.ok()) {
      return Usage(StrCat("invalid value '", raw.timeout,
                          "' for '--timeout <TIMEOUT>': ", timeout.status().message()));
    }
    command.options.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(*timeout);
  }
  if (!raw.piece_length.empty()) {
    auto length = ParseByteSize(raw.piece_length);
    if (!length.ok()) {
      return Usage(
          StrCat("invalid value '", raw.piece_length,
                 "' for '--piece-length <PIECE_LENGTH>': ", ToStd(length.status().message())));
    }
    command.options.piece_length = *length;
  }
  command.run = true;
  return command;
}

absl::Status ValidateDfgetOptions(DfgetOptions& options) {
  namespace fs = std::filesystem;
  auto url = Url::Parse(options.url);
  if (!url.ok()) return url.status();
  std::error_code ignored;
  const fs::path absolute = fs::absolute(options.output, ignored).lexically_normal();
  if (IsDirectoryDownload(options)) {
    if (!fs::is_directory(absolute, ignored)) {
      return absl::InvalidArgumentError(
          StrCat("output path ", options.output, " is not a directory"));
    }
  } else {
    if (absolute == "/") return absl::InvalidArgumentError("output path / is not exist");
    if (!fs::is_directory(absolute.parent_path(), ignored)) {
      return absl::InvalidArgumentError(
          StrCat("output path ", ParentOf(absolute), " is not a directory"));
    }
    if (!options.overwrite && fs::exists(absolute, ignored)) {
      return absl::InvalidArgumentError(
          StrCat("output path ", options.output, " is already exist"));
    }
  }
  if (options.overwrite && options.force_hard_link) {
    return absl::InvalidArgumentError("--overwrite cannot be used with --force-hard-link");
  }
  if (options.piece_length && *options.piece_length < kMinPieceLength) {
    return absl::InvalidArgumentError(StrCat("piece length ", *options.piece_length,
                                             " bytes is less than the minimum piece length ",
                                             kMinPieceLength, " bytes"));
  }
  if (!options.digest.empty()) {
    RETURN_IF_ERROR(CheckDigest(options.digest));
  }
  for (const auto& include : options.include_files) RETURN_IF_ERROR(CheckIncludeFile(include));
  options.url = url->Href();
  options.output = absolute.string();
  return absl::OkStatus();
}

bool IsDirectoryDownload(const DfgetOptions& options) {
  const auto url = Url::Parse(options.url);
  // `http://host` is a file: the path that the parser gives it is not the user's.
  return options.recursive || (url.ok() && url->path().size() > 1 && url->path().back() == '/');
}

std::optional<std::pair<std::string, std::string>> SplitHeader(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto trim = [](std::string_view part) {
    return std::string(ToStd(absl::StripAsciiWhitespace(ToAbsl(part))));
  };
  return std::pair(trim(text.substr(0, colon)), trim(text.substr(colon + 1)));
}

}  // namespace dragonfly::dfdaemon
