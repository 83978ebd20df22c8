#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragonfly::dfdaemon {

/// What the command line asks for. Defaults are those of `dfget --help`.
struct DfgetOptions {
  std::string url;
  std::string output;  ///< As typed.
  std::string endpoint = "/var/run/dragonfly/dfdaemon.sock";
  bool transfer_from_dfdaemon = false;
  bool overwrite = false;
  bool force_hard_link = false;
  bool recursive = false;
  bool disable_back_to_source = false;
  bool no_progress = false;
  std::optional<std::string> content_for_calculating_task_id;
  /// Given on the command line: a limit for the whole download. Not given: two hours for the daemon
  /// to accept it, and none for the transfer.
  std::optional<std::chrono::milliseconds> timeout;
  std::string digest;
  int priority = 6;
  std::optional<std::uint64_t> piece_length;
  std::string application;
  std::string tag;
  std::vector<std::string> headers;  ///< `Name: value`
  std::vector<std::string> filtered_query_params;
  std::vector<std::string> include_files;
  std::string storage_region;
  std::string storage_endpoint;
  std::string storage_access_key_id;
  std::string storage_access_key_secret;
  std::string storage_security_token;
  std::string storage_session_token;
  std::string storage_credential_path;
  std::string storage_predefined_acl = "publicRead";
  bool storage_insecure_skip_verify = false;
  std::string hdfs_delegation_token;
  std::string hf_revision = "main";
  std::string hf_token;
  std::string hf_base_url = "https://huggingface.co";
  std::string ms_revision = "master";
  std::string ms_token;
  std::string ms_base_url = "https://modelscope.cn";
  std::uint32_t max_files = 100;
  std::uint32_t max_concurrent_requests = 5;
  bool console = false;
  std::string log_level = "info";
};

inline constexpr std::chrono::milliseconds kDfgetAcceptTimeout = std::chrono::hours(2);

/// What to do after reading the command line.
struct DfgetCommand {
  bool run = false;  ///< Otherwise print `text` and exit with `exit_code`.
  int exit_code = 0;
  std::string text;  ///< Help or version to stdout (exit code 0), usage error to stderr (2).
  DfgetOptions options;
};

/// Reads arguments, then environment variables (DFGET_…) for flags that were not given. Does not
/// look at files.
[[nodiscard]] DfgetCommand ParseDfgetCommand(int argc, const char* const* argv);

/// Checks against this machine's files what can be checked before asking the daemon, and normalises
/// the URL. InvalidArgument with the text that follows `validate failed: `.
[[nodiscard]] absl::Status ValidateDfgetOptions(DfgetOptions& options);

/// Whether the URL names a directory: by a slash at its end, or because `--recursive` says so.
[[nodiscard]] bool IsDirectoryDownload(const DfgetOptions& options);

/// `Name: value`, both trimmed; nothing when there is no colon.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> SplitHeader(std::string_view text);

}  // namespace dragonfly::dfdaemon
