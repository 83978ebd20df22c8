#include "common/daemon/command_line.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "common/base/strings.h"
#include "common/version/version.h"

namespace dragonfly {
namespace {

constexpr char kPluginDir[] = "/usr/local/dragonfly/plugins";

CommandLine Print(std::string text) {
  CommandLine result;
  result.out = std::move(text);
  return result;
}

CommandLine Fail(std::string_view reason) {
  CommandLine result;
  result.exit_code = 1;
  result.error = StrCat("Error: ", reason, "\n");
  return result;
}

CommandLine WriteDoc(const ProgramInfo& program, const std::string& path, const std::string& help) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(path)) {
    fs::create_directories(path, error);
    if (error) return Fail(StrCat(path, ": ", error.message()));
    fs::permissions(path, fs::perms::owner_all, error);
  }
  if (!fs::is_directory(path)) return Fail(StrCat("path ", path, " is not dir, please check it"));
  const std::string file = (fs::path(path) / (program.name + ".md")).string();
  std::ofstream out(file);
  out << "# " << program.name << "\n\n```\n" << help << "```\n";
  if (!out.flush()) return Fail(StrCat("write ", file, " failed"));
  return {};
}

CommandLine ListPlugins() {
  CommandLine result;
  // Go plug-ins cannot be loaded into this program, so there is never one.
  result.error = StrCat("search plugin in ", kPluginDir, "\nno plugin found\n");
  return result;
}

}  // namespace

std::string VersionTable() {
  const Version& version = BuildVersion();
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(version.semver), '.');
  const auto part = [&](std::size_t i) { return i < parts.size() ? parts[i] : std::string("0"); };
  // The last three describe a Go build; scripts count on their lines.
  return StrCat("MajorVersion:\t", part(0), "\nMinorVersion:\t", part(1), "\nGitVersion:\tv",
                version.semver, "\nGitCommit:\t", version.commit, "\nPlatform:\t", version.platform,
                "\nBuildTime:\t", version.commit_date,
                "\nGoVersion:\tunknown\nGotags:\tunknown\nGogcflags:\tunknown\n");
}

CommandLine ParseCommandLine(const ProgramInfo& program, int argc, const char* const* argv) {
  CommandLine result;
  result.config = StrCat("/etc/dragonfly/", program.name, ".yaml");
  bool version_flag = false;
  std::string doc_path = "./";

  CLI::App app(program.description, program.name);
  app.set_help_flag("-h,--help", "Print this help");
  app.fallthrough();
  app.allow_extras();
  auto* config = app.add_option("--config", result.config, "Configuration file")
                     ->envname(absl::AsciiStrToUpper(program.name) + "_CONFIG")
                     ->capture_default_str();
  app.add_flag("--console", result.console, "Write log records to the terminal, not to files");
  app.add_flag("--version", version_flag, "Print the version on one line");
  if (program.has_dynconfig) {
    app.add_option("--dynconfig", result.dynconfig,
                   "File of the dynamic configuration; read only when manager.addr is not "
                   "configured")
        ->capture_default_str();
  }
  const auto* version = app.add_subcommand("version", "Print the version");
  const auto* plugin = app.add_subcommand("plugin", "List plug-ins");
  const auto* help = app.add_subcommand("help", "Print this help");
  auto* doc = app.add_subcommand("doc", "Write this help as Markdown");
  doc->add_option("--path", doc_path, "Directory to write to")->capture_default_str();
  app.require_subcommand(0, 1);
  // Before parsing: afterwards it would be the text of the subcommand that was parsed.
  const std::string usage = app.help();

  try {
    app.parse(argc, const_cast<char**>(argv));
  } catch (const CLI::CallForHelp&) {
    return Print(usage);
  } catch (const CLI::ParseError& error) {
    return Fail(error.what());
  }
  if (const auto extras = app.remaining(); !extras.empty()) {
    const std::string& first = extras.front();
    return Fail(first.starts_with("-")
                    ? StrCat("unknown flag: ", first)
                    : StrCat("unknown command \"", first, "\" for \"", program.name, "\""));
  }
  if (help->parsed()) return Print(usage);
  if (version->parsed()) return Print(VersionTable());
  if (version_flag) return Print(VersionLine(program.name) + "\n");
  if (plugin->parsed()) return ListPlugins();
  if (doc->parsed()) return WriteDoc(program, doc_path, usage);
  result.config_is_explicit = config->count() > 0;
  result.run = true;
  return result;
}

}  // namespace dragonfly
