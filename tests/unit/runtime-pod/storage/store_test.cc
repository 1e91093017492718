#include "runtime-pod/storage/store.h"

#include <filesystem>
#include <future>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "libs/obs/system_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/storage/rows.h"

namespace oa::runtime {
namespace {

class StoreTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Store>> open(std::optional<AgentId> only = std::nullopt) {
    return Store::open(
        {.directory = dir.file("data"), .only = std::move(only), .seal = test::seal}, {}, clock,
        [](auto) { return true; }, obs::Logger("test", {.sink = [](std::string_view) {}}, clock));
  }
  Result<Committed> commit(Store& store, Change change) {
    std::promise<Result<Committed>> promise;
    auto future = promise.get_future();
    store.commits().submit(std::move(change),
                           [&](Result<Committed> result) { promise.set_value(std::move(result)); });
    return future.get();
  }

  oa::test::TempDir dir;
  const obs::SystemClock clock;
};

TEST_F(StoreTest, keeps_what_was_committed_and_raises_the_epoch_at_each_opening) {
  AgentKey key = 0;
  {
    const auto store = open().value();
    EXPECT_EQ(store->epoch(), 1);
    key = commit(*store, test::put_agent("a")).value().row.key;
    ASSERT_TRUE(commit(*store, test::tick(key, 1, R"({"n":1})")));
    EXPECT_EQ(store->reader().find_agent({"default", "a"}).value()->state, R"({"n":1})");
    EXPECT_GT(store->sizes().log_bytes, 0);
  }
  const auto store = open().value();
  EXPECT_EQ(store->epoch(), 2);
  const auto found = store->reader().find_agent({"default", "a"}).value();
  EXPECT_EQ(found->row.key, key);
  EXPECT_EQ(found->state, R"({"n":1})");
}

TEST_F(StoreTest, is_for_one_process_at_a_time) {
  const auto first = open();
  ASSERT_TRUE(first);
  EXPECT_EQ(open().error().reason, "DataDirectoryLocked");
}

TEST_F(StoreTest, shows_its_files_to_its_owner_only) {
  const auto store = open().value();
  commit(*store, test::put_agent("a")).value();
  for (const auto& file : std::filesystem::directory_iterator(dir.file("data"))) {
    struct stat info {};
    ASSERT_EQ(stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0u) << file.path();
  }
}

TEST_F(StoreTest, holds_a_reserve_for_a_full_disk) {
  const auto store = open().value();
  EXPECT_EQ(std::filesystem::file_size(dir.file("data/reserve")),
            static_cast<std::uintmax_t>(kReserveBytes));
}

TEST_F(StoreTest, refuses_the_database_of_another_agent) {
  {
    const auto store = open(AgentId{"default", "a"}).value();
    commit(*store, test::put_agent("a")).value();
  }
  EXPECT_EQ(open(AgentId{"default", "b"}).error().reason, "WrongAgent");
  const auto again = open(AgentId{"default", "a"});
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->epoch(), 2);
}

TEST_F(StoreTest, refuses_a_database_that_needs_a_newer_program) {
  { open().value(); }
  {
    auto db = sqlite::Database::open(dir.file("data/agents.db")).value();
    ASSERT_TRUE(db.execute("UPDATE schema_version SET schema = 99, min_reader = 98"));
  }
  EXPECT_EQ(open().error().reason, "DatabaseTooNew");
  {
    auto db = sqlite::Database::open(dir.file("data/agents.db")).value();
    ASSERT_TRUE(db.execute("UPDATE schema_version SET min_reader = 2"));
  }
  EXPECT_TRUE(open());
}

TEST_F(StoreTest, refuses_a_file_that_is_no_database) {
  std::filesystem::create_directories(dir.file("data"));
  std::FILE* file = std::fopen(dir.file("data/agents.db").c_str(), "w");
  std::fputs("this is certainly not what a database begins with, is it, dear reader", file);
  std::fclose(file);
  EXPECT_EQ(open().error().reason, "Corrupt");
}

}  // namespace
}  // namespace oa::runtime
