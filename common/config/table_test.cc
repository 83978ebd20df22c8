#include "common/config/table.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace dragonfly {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

struct Tls {
  std::string cert;
  std::string key;
};

struct Rule {
  std::string regex = ".*";
  bool use_tls = false;
};

struct Server {
  std::string ip;
  std::uint16_t port = 4000;
  Tls tls;
};

struct Config {
  Server server;
  std::uint64_t bandwidth = 10;
  milliseconds timeout{1000};
  std::optional<std::uint64_t> cluster_id;
  std::optional<std::string> password;
  std::vector<Rule> rules = {Rule{}};
  std::map<std::string, std::string> headers;
  std::string type = "normal";
  std::vector<std::string> addrs;
};

const ConfigTable<Config>& Table() {
  static const auto& table = *new ConfigTable<Config>([] {
    ConfigTable<Tls> tls;
    tls.Field("cert", &Tls::cert, Text{}).Field("key", &Tls::key, Text{}, {.secret = true});
    ConfigTable<Server> server;
    server.Field("ip", &Server::ip, Ip{})
        .Field("port", &Server::port, kPort, {.old_paths = {"listenPort"}})
        .Fields("", &Server::tls, tls);
    ConfigTable<Rule> rule;
    rule.Field("regex", &Rule::regex, Text{}).Field("useTLS", &Rule::use_tls, Flag{});
    ConfigTable<Config> config;
    config.Fields("upload.server", &Config::server, server)
        .Field("upload.bandwidthLimit", &Config::bandwidth, ByteSize{.min = 1})
        .Field("upload.timeout", &Config::timeout, Humantime(seconds(1), seconds(60)))
        .Field("clusterID", &Config::cluster_id, Optional{Number{.min = 1}})
        .Field("password", &Config::password, Optional{Text{}}, {.secret = true})
        .Field("rules", &Config::rules, ListOf{rule})
        .Field("headers", &Config::headers, MapOf{Text{}}, {.secret = true})
        .Field("type", &Config::type, OneOf{{"normal", "super"}})
        .Field("addrs", &Config::addrs, ListOf{Text{}, true})
        .Ignored("console");
    return config;
  }());
  return table;
}

struct Loaded {
  absl::Status status;
  Config config;
  std::vector<std::string> warnings;
};

Loaded Load(std::string_view yaml, bool ignore_key_case = false) {
  Loaded result;
  const auto root = ParseYaml(yaml);
  if (!root.ok()) {
    result.status = root.status();
    return result;
  }
  ConfigReport report("a.yaml");
  report.ignore_key_case = ignore_key_case;
  result.status = Table().Read(*root, report, result.config);
  result.warnings = report.warnings();
  return result;
}

TEST(ConfigTableTest, FillsTheStruct) {
  const Loaded loaded = Load(R"(
upload:
  server: {ip: 10.0.0.1, port: 4100, cert: /a, key: /b}
  bandwidthLimit: 4MiB
  timeout: 5s
clusterID: 7
password: secret
rules:
- regex: blobs/sha256.*
  useTLS: true
- {}
headers: {X-A: "1", X-B: two}
type: super
addrs: a:1, b:2
)");
  ASSERT_THAT(loaded.status, IsOk());
  EXPECT_THAT(loaded.warnings, IsEmpty());
  const Config& config = loaded.config;
  EXPECT_EQ(config.server.ip, "10.0.0.1");
  EXPECT_EQ(config.server.port, 4100);
  EXPECT_EQ(config.server.tls.key, "/b");
  EXPECT_EQ(config.bandwidth, 4ULL << 20U);
  EXPECT_EQ(config.timeout, seconds(5));
  EXPECT_EQ(config.cluster_id, 7U);
  EXPECT_EQ(config.password, "secret");
  ASSERT_EQ(config.rules.size(), 2U);
  EXPECT_TRUE(config.rules[0].use_tls);
  EXPECT_EQ(config.rules[1].regex, ".*");
  EXPECT_THAT(config.headers, ElementsAre(Pair("X-A", "1"), Pair("X-B", "two")));
  EXPECT_EQ(config.type, "super");
  EXPECT_THAT(config.addrs, ElementsAre("a:1", "b:2"));
}

TEST(ConfigTableTest, KeepsDefaultsOfAbsentAndEmptyKeys) {
  for (const char* yaml : {"", "# nothing\n", "upload:\n", "upload:\n  server:\n    port:\nrules: ~\n",
                           "password: null\n"}) {
    const Loaded loaded = Load(yaml);
    ASSERT_THAT(loaded.status, IsOk()) << yaml;
    EXPECT_EQ(loaded.config.server.port, 4000);
    EXPECT_EQ(loaded.config.rules.size(), 1U);
    EXPECT_FALSE(loaded.config.password.has_value());
  }
}

TEST(ConfigTableTest, WarnsOfUnknownKeysWithLineAndPath) {
  const Loaded loaded = Load("console: true\nfoo: 1\nupload:\n  server:\n    prot: 1\nrules:\n- a: 1\n");
  ASSERT_THAT(loaded.status, IsOk());
  EXPECT_THAT(loaded.warnings, ElementsAre("a.yaml:7: rules[0].a: unknown key, ignored",
                                           "a.yaml:2: foo: unknown key, ignored",
                                           "a.yaml:5: upload.server.prot: unknown key, ignored"));
}

TEST(ConfigTableTest, DoesNotTakeAKeyWithDotsForAPath) {
  const Loaded loaded = Load("upload.timeout: 5s\n");
  EXPECT_EQ(loaded.config.timeout, seconds(1));
  EXPECT_EQ(loaded.warnings.size(), 1U);
}

TEST(ConfigTableTest, NamesFileLineKeyAndReasonOfABadValue) {
  const std::pair<const char*, const char*> cases[] = {
      {"upload:\n  server:\n    port: 65536\n",
       "a.yaml:3: upload.server.port: 65536 is not within 0 and 65535"},
      {"upload: {server: {port: -1}}", "a.yaml:1: upload.server.port: -1 is not within 0 and 65535"},
      {"upload: {server: {port: web}}", "\"web\" is not a whole number"},
      {"upload: {server: {ip: a.b}}", "upload.server.ip: \"a.b\" is not an IP address"},
      {"upload: {server: [1]}", "a.yaml:1: upload.server: must be a map"},
      {"upload: 5", "a.yaml:1: upload: must be a map"},
      {"[1]", "a.yaml:1: the file must be a map"},
      {"upload: {bandwidthLimit: 0}", "is not within 1B and"},
      {"upload: {bandwidthLimit: fast}", "is not a size such as"},
      {"upload: {timeout: 5}", "is not a duration such as"},
      {"upload: {timeout: 61s}", "upload.timeout: 61s is not within 1s and 1m"},
      {"rules: {}", "rules: must be a list"},
      {"rules: [{useTLS: maybe}]", "rules[0].useTLS: \"maybe\" is not true or false"},
      {"rules: [~]", "rules[0]: is empty"},
      {"headers: [a]", "headers: is not valid"},
      {"type: ultra", "type: \"ultra\" is none of normal, super"},
      {"clusterID: 0", "clusterID: 0 is not within 1 and"}};
  for (const auto& [yaml, message] : cases) {
    EXPECT_THAT(Load(yaml).status, StatusIs(kInvalid, message)) << yaml;
  }
}

TEST(ConfigTableTest, DoesNotRepeatABadSecret) {
  const absl::Status status = Load("password: [hunter2]").status;
  EXPECT_THAT(status, StatusIs(kInvalid, "a.yaml:1: password: is not valid"));
  EXPECT_EQ(status.ToString().find("hunter2"), std::string::npos);
}

TEST(ConfigTableTest, TakesOldNamesWithAWarning) {
  const Loaded old = Load("upload: {server: {listenPort: 1}}");
  EXPECT_EQ(old.config.server.port, 1);
  EXPECT_THAT(old.warnings,
              ElementsAre("a.yaml:1: upload.server.listenPort: the key is now upload.server.port"));
  const Loaded both = Load("upload: {server: {listenPort: 1, port: 2}}");
  EXPECT_EQ(both.config.server.port, 2);
  EXPECT_THAT(both.warnings, ElementsAre(HasSubstr("ignored, upload.server.port is set, too")));
}

TEST(ConfigTableTest, IgnoresTheCaseOfKeysWhereTheOriginalDoes) {
  const char* yaml = "Upload: {SERVER: {Port: 5}}\n";
  EXPECT_EQ(Load(yaml, true).config.server.port, 5);
  EXPECT_THAT(Load(yaml, true).warnings, IsEmpty());
  EXPECT_EQ(Load(yaml, false).config.server.port, 4000);
}

TEST(ConfigTableTest, PrintsWhatParsesToTheSameWithoutSecrets) {
  Config config;
  config.password = "hunter2";
  config.headers = {{"Authorization", "hunter2"}};
  config.server.ip = "::1";
  config.rules.push_back({"a: \"b\"\n", true});
  const std::string text = Table().Print(config);
  EXPECT_THAT(text, HasSubstr("upload:\n  server:\n    ip: \"::1\"\n    port: 4000\n"));
  EXPECT_THAT(text, HasSubstr("  timeout: 1s\n"));
  EXPECT_THAT(text, HasSubstr("password: \"***\"\n"));
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  const Loaded again = Load(text);
  ASSERT_THAT(again.status, IsOk()) << text;
  EXPECT_EQ(again.config.server.ip, "::1");
  EXPECT_EQ(again.config.rules[1].regex, "a: \"b\"\n");
}

TEST(GoDurationCodecTest, TakesABareNumberAsNanoseconds) {
  ConfigReport report("a.yaml");
  milliseconds out{};
  EXPECT_THAT(GoDuration().Read(ConfigNode::Plain("5000000"), "x", report, out), IsOk());
  EXPECT_EQ(out, milliseconds(5));
  EXPECT_THAT(GoDuration().Read(ConfigNode::Quoted("5000000"), "x", report, out),
              StatusIs(kInvalid));
  EXPECT_THAT(GoDuration().Read(ConfigNode::Plain("-5s"), "x", report, out),
              StatusIs(kInvalid, "less than 0s"));
}

TEST(ParseYamlTest, RefusesWhatCouldMeanTwoThings) {
  EXPECT_THAT(ParseYaml("b: 2\n" + std::string(251, 'a') + ": 3\n"),
              StatusIs(kInvalid, "longer than 250"));
  EXPECT_THAT(ParseYaml("a: 1\nb: 2\na: 3\n"), StatusIs(kInvalid, "line 3: the key \"a\" is given twice"));
  EXPECT_THAT(ParseYaml("? [a]\n: 1\n"), StatusIs(kInvalid, "a key must be a text"));
  EXPECT_THAT(ParseYaml("a: *b\n"), StatusIs(kInvalid));
}

TEST(ParseYamlTest, TellsTheLineOfBadSyntax) {
  EXPECT_THAT(ParseYaml("a: 1\nb: [1, 2\n"), StatusIs(kInvalid, "line "));
  EXPECT_THAT(ParseYaml("a: b: c\n"), StatusIs(kInvalid, "line "));
}

TEST(ParseYamlTest, LosesNoKeysToAnOpenQuoteOrASecondDocument) {
  for (const char* text : {"a: \"x\nb: 1\n", "a: 'x\nb: 1", "- a\nb: 1\n", "a: 1\n---\nb: 1\n"}) {
    EXPECT_THAT(ParseYaml(text), StatusIs(kInvalid)) << text;
  }
  for (const char* text : {"---\na: 1\n", "a: 1\n---\n", "a: 1\n...\n", "a: 1", "\n\na: 1\n# end"}) {
    const auto root = ParseYaml(text);
    ASSERT_THAT(root, IsOk()) << text;
    ASSERT_NE(root->Find("a"), nullptr) << text;
  }
}

TEST(ParseYamlTest, WritesAliasesOutWithinTheLimit) {
  const auto root = ParseYaml("a: &x {b: 1}\nc: *x\n");
  ASSERT_THAT(root, IsOk());
  EXPECT_EQ(root->FindPath("c.b")->text, "1");
  // Ten levels of ten references are 10^10 values.
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += StrCat("a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) bomb += StrCat(k == 0 ? "" : ",", "*a", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(ParseYaml(bomb), StatusIs(kInvalid, "too many values"));
}

TEST(ParseYamlTest, BoundsDepthAndSize) {
  EXPECT_THAT(ParseYaml(std::string(40, '[') + std::string(40, ']')),
              StatusIs(kInvalid, "nested too deeply"));
  EXPECT_THAT(ParseYaml(std::string(500'000, '[')), StatusIs(kInvalid));
  EXPECT_THAT(ParseYaml(std::string(500'000, '-')), testing::_);
  std::string steps;
  for (int i = 0; i < 1000; ++i) steps += "- ";
  EXPECT_THAT(ParseYaml(steps + "1"), StatusIs(kInvalid));
  EXPECT_THAT(ParseYaml(std::string(2'000'000, ' ')), StatusIs(kInvalid, "longer than"));
}

TEST(ReadYamlFileTest, NamesThePath) {
  EXPECT_THAT(ReadYamlFile("/nonexistent/a.yaml"),
              StatusIs(absl::StatusCode::kNotFound, "/nonexistent/a.yaml"));
  TempDir dir;
  WriteFile(dir.File("b.yaml"), "a: [\n");
  EXPECT_THAT(ReadYamlFile(dir.File("b.yaml")), StatusIs(kInvalid, dir.File("b.yaml") + ": line "));
  EXPECT_THAT(ReadYamlFile(dir.path()), testing::Not(IsOk()));
}

}  // namespace
}  // namespace dragonfly
