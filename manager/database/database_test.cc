#include <filesystem>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/sqlite/sqlite.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "manager/database/database.h"
#include "manager/database/schema.h"
#include "manager/database/sql_time.h"

namespace dragonfly::manager {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

class DatabaseTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    auto opened = OpenDatabase({"sqlite", path()});
    ASSERT_THAT(opened, IsOk());
    database_ = *std::move(opened);
  }
  [[nodiscard]] std::string path() const { return dir_.File("data/manager.db"); }
  [[nodiscard]] WallTime now() const { return clock_.WallNow(); }
  void Seed() { ASSERT_THAT(database_->Seed({"<bcrypt>", "key"}, now()), IsOkAndHolds(true)); }

  static SchedulerRegistration Registration(std::int32_t port = 8002) {
    SchedulerRegistration result;
    result.key = {"sched-1", "10.0.0.1", 1};
    result.idc = "idc-1";
    result.location = "a|b";
    result.port = port;
    result.features_json = R"(["schedule"])";
    result.config_json = R"({"manager_keep_alive_interval":5000000000})";
    return result;
  }
  static SeedPeerRegistration SeedRegistration() {
    return {{"seed-1", "10.0.0.9", 1}, "super", "idc-1", "", 4000, 4000};
  }

  TempDir dir_;
  FakeClock clock_;
  std::unique_ptr<Database> database_;
};

TEST_F(DatabaseTest, MigratesAnEmptyFileToTheNewestVersionAndLeavesItThere) {
  const auto newest = static_cast<std::int64_t>(SqliteMigrations().size());
  EXPECT_THAT(database_->SchemaVersion(), IsOkAndHolds(newest));
  database_.reset();
  Open();
  EXPECT_THAT(database_->SchemaVersion(), IsOkAndHolds(newest));
}

TEST_F(DatabaseTest, KeepsRowsOverAMigrationFromTheFirstVersion) {
  const std::string old = dir_.File("old.db");
  {
    auto db = SqliteDb::Open(old);
    ASSERT_THAT(db, IsOk());
    ASSERT_THAT(db->Execute(SqliteMigrations()[0]), IsOk());
    ASSERT_THAT(db->Execute("CREATE TABLE schema_migration (version INTEGER PRIMARY KEY, "
                            "applied_at TEXT NOT NULL DEFAULT '');"
                            "INSERT INTO schema_migration (version) VALUES (1);"
                            "INSERT INTO scheduler_cluster (is_del, name, config, client_config) "
                            "VALUES (0, 'old', '{}', '{}')"),
                IsOk());
  }
  auto opened = OpenDatabase({"sqlite", old});
  ASSERT_THAT(opened, IsOk());
  const auto topology = (*opened)->LoadTopology();
  ASSERT_THAT(topology, IsOk());
  ASSERT_THAT(topology->scheduler_clusters, SizeIs(1));
  EXPECT_EQ(topology->scheduler_clusters[0].name, "old");
  EXPECT_EQ(topology->scheduler_clusters[0].seed_client_config_json, "{}");
  EXPECT_EQ(topology->scheduler_clusters[0].scopes_json, "null");
}

TEST_F(DatabaseTest, RefusesAFileThatANewerBuildMigrated) {
  {
    auto db = SqliteDb::Open(path());
    ASSERT_THAT(db, IsOk());
    ASSERT_THAT(db->Execute("INSERT INTO schema_migration (version) VALUES (1000)"), IsOk());
  }
  EXPECT_THAT(OpenDatabase({"sqlite", path()}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "newer build"));
}

TEST_F(DatabaseTest, RefusesAFileThatIsNoDatabase) {
  WriteFile(dir_.File("text.db"), std::string(4096, 'x'));
  EXPECT_THAT(OpenDatabase({"sqlite", dir_.File("text.db")}),
              StatusIs(absl::StatusCode::kDataLoss, "text.db"));
}

TEST_F(DatabaseTest, SaysWhichTypesOfDatabaseItDoesNotKnow) {
  EXPECT_THAT(OpenDatabase({"mysql", ""}), StatusIs(absl::StatusCode::kUnimplemented, "mysql"));
  EXPECT_THAT(OpenDatabase({"oracle", ""}), StatusIs(absl::StatusCode::kInvalidArgument, "oracle"));
}

TEST_F(DatabaseTest, FileIsOnlyForItsOwner) {
  const auto mode = std::filesystem::status(path()).permissions();
  EXPECT_EQ(mode & std::filesystem::perms::group_all, std::filesystem::perms::none);
  EXPECT_EQ(mode & std::filesystem::perms::others_all, std::filesystem::perms::none);
}

// Every row and column of the recorded first start of the original.
TEST_F(DatabaseTest, SeedsTheRowsOfTheOriginal) {
  Seed();
  database_.reset();
  auto db = SqliteDb::Open(path());
  ASSERT_THAT(db, IsOk());
  std::ifstream file(TestDataFile("manager-seed-data.json"));
  const auto golden = nlohmann::json::parse(file);
  for (const auto& [table, rows] : golden.items()) {
    if (table == "about") continue;
    EXPECT_THAT(db->QueryInt("SELECT COUNT(*) FROM \"" + table + "\""),
                IsOkAndHolds(static_cast<std::int64_t>(rows.size())))
        << table;
    for (const auto& row : rows) {
      std::string where = "1";
      for (const auto& [column, value] : row.items()) {
        std::string literal = value.is_string() ? value.get<std::string>() : value.dump();
        if (literal == "<time>") literal = ToSqlTime(now());
        where += " AND CAST(" + column + " AS TEXT) = '" + literal + "'";
      }
      EXPECT_THAT(db->QueryInt("SELECT COUNT(*) FROM \"" + table + "\" WHERE " + where),
                  IsOkAndHolds(1))
          << table << ": " << row.dump();
    }
  }
}

TEST_F(DatabaseTest, SeedingAgainAddsNothing) {
  EXPECT_THAT(database_->NeedsRootUser(), IsOkAndHolds(true));
  Seed();
  EXPECT_THAT(database_->NeedsRootUser(), IsOkAndHolds(false));
  EXPECT_THAT(database_->Seed({"<other>", "other key"}, now()), IsOkAndHolds(false));
  EXPECT_THAT(database_->JwtKey(), IsOkAndHolds("key"));
  const auto topology = database_->LoadTopology();
  ASSERT_THAT(topology, IsOk());
  EXPECT_THAT(topology->scheduler_clusters, SizeIs(1));
  EXPECT_THAT(topology->seed_peer_clusters, SizeIs(1));
  EXPECT_THAT(topology->links, SizeIs(1));
}

TEST_F(DatabaseTest, NamesCompareWithoutCase) {
  Seed();
  auto db = SqliteDb::Open(path());
  ASSERT_THAT(db, IsOk());
  EXPECT_THAT(db->Execute("INSERT INTO seed_peer_cluster (is_del, name, config) "
                          "VALUES (0, 'CLUSTER-1', '{}')"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(DatabaseTest, RegistersASchedulerAsInactive) {
  const auto row = database_->UpsertScheduler(Registration(), now());
  ASSERT_THAT(row, IsOk());
  EXPECT_EQ(row->id, 1U);
  EXPECT_EQ(row->state, State::kInactive);
  EXPECT_EQ(row->port, 8002);
  EXPECT_EQ(row->features_json, R"(["schedule"])");
  EXPECT_EQ(row->last_keep_alive_at, now());
}

TEST_F(DatabaseTest, SchedulerThatComesBackOnAnotherPortIsTheSameOne) {
  ASSERT_THAT(database_->UpsertScheduler(Registration(8002), now()), IsOk());
  ASSERT_THAT(database_->KeepSchedulerAlive(Registration().key, now()), IsOk());
  auto second = Registration(9002);
  second.idc = "";
  second.location = "c";
  second.config_json = "null";
  const auto row = database_->UpsertScheduler(second, now());
  ASSERT_THAT(row, IsOk());
  EXPECT_EQ(row->id, 1U);
  EXPECT_EQ(row->port, 9002);
  EXPECT_EQ(row->idc, "idc-1");
  EXPECT_EQ(row->location, "c");
  EXPECT_EQ(row->config_json, R"({"manager_keep_alive_interval":5000000000})");
  EXPECT_EQ(row->state, State::kActive);
  const auto topology = database_->LoadTopology();
  ASSERT_THAT(topology, IsOk());
  EXPECT_THAT(topology->schedulers, SizeIs(1));
}

TEST_F(DatabaseTest, KeepaliveActivatesOnceAndMovesTheTime) {
  ASSERT_THAT(database_->UpsertScheduler(Registration(), now()), IsOk());
  const MemberKey key = Registration().key;
  clock_.Advance(milliseconds(1500));
  EXPECT_THAT(database_->KeepSchedulerAlive(key, now()), IsOkAndHolds(Change::kChanged));
  EXPECT_THAT(database_->KeepSchedulerAlive(key, now()), IsOkAndHolds(Change::kNone));
  const auto topology = database_->LoadTopology();
  ASSERT_THAT(topology, IsOk());
  EXPECT_EQ(topology->schedulers[0].state, State::kActive);
  EXPECT_EQ(topology->schedulers[0].last_keep_alive_at, now());
}

TEST_F(DatabaseTest, KeepaliveWithoutAddressFindsTheHost) {
  ASSERT_THAT(database_->UpsertScheduler(Registration(), now()), IsOk());
  EXPECT_THAT(database_->KeepSchedulerAlive({"sched-1", "", 1}, now()),
              IsOkAndHolds(Change::kChanged));
}

TEST_F(DatabaseTest, KeepaliveOfAStrangerIsNotFound) {
  EXPECT_THAT(database_->KeepSchedulerAlive({"nobody", "10.0.0.1", 1}, now()),
              StatusIs(absl::StatusCode::kNotFound, "record not found"));
  EXPECT_THAT(database_->KeepSeedPeerAlive({"nobody", "10.0.0.1", 1}, now()),
              StatusIs(absl::StatusCode::kNotFound, "record not found"));
}

TEST_F(DatabaseTest, DeactivatesOnce) {
  ASSERT_THAT(database_->UpsertScheduler(Registration(), now()), IsOk());
  const MemberKey key = Registration().key;
  EXPECT_THAT(database_->DeactivateScheduler(key, now()), IsOkAndHolds(Change::kNone));
  ASSERT_THAT(database_->KeepSchedulerAlive(key, now()), IsOk());
  EXPECT_THAT(database_->DeactivateScheduler(key, now()), IsOkAndHolds(Change::kChanged));
  EXPECT_THAT(database_->DeactivateScheduler({"nobody", "", 1}, now()),
              IsOkAndHolds(Change::kNone));
}

TEST_F(DatabaseTest, RegistersASeedPeerAsActiveAndDeletesIt) {
  const auto row = database_->UpsertSeedPeer(SeedRegistration(), now());
  ASSERT_THAT(row, IsOk());
  EXPECT_EQ(row->state, State::kActive);
  EXPECT_EQ(row->type, "super");
  EXPECT_THAT(database_->DeactivateSeedPeer(SeedRegistration().key, now()),
              IsOkAndHolds(Change::kChanged));
  EXPECT_THAT(database_->KeepSeedPeerAlive(SeedRegistration().key, now()),
              IsOkAndHolds(Change::kChanged));
  EXPECT_THAT(database_->DeleteSeedPeer({"seed-1", "", 1}), IsOk());
  EXPECT_THAT(database_->DeleteSeedPeer({"seed-1", "", 1}), IsOk());
  const auto topology = database_->LoadTopology();
  ASSERT_THAT(topology, IsOk());
  EXPECT_THAT(topology->seed_peers, IsEmpty());
}

TEST_F(DatabaseTest, KeepsWhatWasWrittenOverARestart) {
  Seed();
  ASSERT_THAT(database_->UpsertScheduler(Registration(), now()), IsOk());
  database_.reset();
  Open();
  const auto topology = database_->LoadTopology();
  ASSERT_THAT(topology, IsOk());
  ASSERT_THAT(topology->schedulers, SizeIs(1));
  EXPECT_EQ(topology->schedulers[0].host_name, "sched-1");
}

TEST(SqlTimeTest, WritesMillisecondsInUtcAndReadsThemBack) {
  const WallTime time = WallTime(seconds(1767225600)) + milliseconds(7);
  EXPECT_EQ(ToSqlTime(time), "2026-01-01 00:00:00.007");
  EXPECT_EQ(FromSqlTime("2026-01-01 00:00:00.007"), time);
  EXPECT_EQ(FromSqlTime("2026-01-01 00:00:00"), time - milliseconds(7));
  EXPECT_EQ(FromSqlTime("yesterday"), std::nullopt);
  EXPECT_EQ(FromSqlTime(""), std::nullopt);
}

}  // namespace
}  // namespace dragonfly::manager
