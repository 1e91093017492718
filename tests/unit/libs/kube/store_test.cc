#include "libs/kube/store.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace oa::kube {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

Object object(const std::string& name, const std::string& version, const std::string& uid = "u",
              const std::string& ns = "n") {
  return Object(
      json{{"metadata",
            {{"name", name}, {"namespace", ns}, {"resourceVersion", version}, {"uid", uid}}}});
}

std::vector<std::string> describe(const std::vector<StoreChange>& changes) {
  const auto text = [](const std::optional<Object>& o) {
    return o ? std::string(o->uid()) + "@" + std::string(o->resource_version()) : "-";
  };
  std::vector<std::string> lines;
  for (const StoreChange& c : changes) {
    lines.push_back(c.key.name + " " + text(c.before) + " " + text(c.after) +
                    (c.initial ? " initial" : ""));
  }
  return lines;
}

struct Fixture {
  Store store;
  StoreWriter writer = store.writer("");

  std::vector<std::string> list(const std::string& version, std::vector<Object> items) {
    writer.apply(ListBegan{});
    writer.apply(ItemsListed{std::move(items)});
    return describe(writer.apply(ListCompleted{version}));
  }
  std::vector<std::string> upsert(const Object& o) { return describe(writer.apply(Upserted{o})); }
  std::vector<std::string> erase(const Object& o) { return describe(writer.apply(Deleted{o})); }
  std::vector<std::string> progress(const std::string& v) {
    return describe(writer.apply(Progressed{v}));
  }
  // "u@5", "-"
  std::string at(const std::string& name) const {
    const auto found = store.get({"n", name});
    return found ? std::string(found->uid()) + "@" + std::string(found->resource_version()) : "-";
  }
};

TEST(Store, is_ready_after_the_first_whole_list) {
  Fixture f;
  EXPECT_FALSE(f.store.ready());
  f.writer.apply(ListBegan{});
  f.writer.apply(ItemsListed{{object("a", "1")}});
  EXPECT_FALSE(f.store.ready());
  EXPECT_EQ(f.store.size(), 0U) << "nothing is seen before the swap";
  f.writer.apply(ListCompleted{"5"});
  EXPECT_TRUE(f.store.ready());
  EXPECT_EQ(f.at("a"), "u@1");
}

TEST(Store, forgets_a_list_that_was_begun_anew) {
  Fixture f;
  f.writer.apply(ListBegan{});
  f.writer.apply(ItemsListed{{object("gone", "1")}});
  EXPECT_THAT(f.list("5", {object("a", "2")}), ElementsAre("a - u@2 initial"));
  EXPECT_EQ(f.at("gone"), "-");
}

TEST(Store, applies_events) {
  Fixture f;
  f.list("5", {});
  EXPECT_THAT(f.upsert(object("a", "6")), ElementsAre("a - u@6"));
  EXPECT_THAT(f.upsert(object("a", "7")), ElementsAre("a u@6 u@7"));
  EXPECT_THAT(f.erase(object("a", "8")), ElementsAre("a u@8 -"));
  EXPECT_EQ(f.at("a"), "-");
  EXPECT_THAT(f.erase(object("a", "8")), IsEmpty());
}

TEST(Store, reports_what_a_new_list_lacks_as_deleted) {
  Fixture f;
  f.list("5", {object("a", "1"), object("b", "2"), object("c", "3")});
  EXPECT_THAT(f.list("9", {object("a", "1"), object("b", "7")}),
              UnorderedElementsAre("b u@2 u@7 initial", "c u@3 - initial"));
  EXPECT_EQ(f.store.size(), 2U);
}

TEST(Store, takes_a_new_uid_under_the_same_name_for_a_deletion_and_an_addition) {
  Fixture f;
  f.list("5", {object("a", "1", "old"), object("b", "1", "old")});
  EXPECT_THAT(f.upsert(object("a", "6", "new")), ElementsAre("a old@1 -", "a - new@6"));
  EXPECT_THAT(f.list("9", {object("a", "6", "new"), object("b", "8", "new")}),
              ElementsAre("b old@1 - initial", "b - new@8 initial"));
}

TEST(Store, shows_an_own_write_at_once) {
  Fixture f;
  f.list("5", {object("a", "4")});
  f.store.on_own_write(object("a", "6"));
  f.store.on_own_write(object("new", "7"));
  EXPECT_EQ(f.at("a"), "u@6");
  EXPECT_EQ(f.at("new"), "u@7");
  EXPECT_THAT(f.upsert(object("a", "6")), ElementsAre("a u@6 u@6")) << "its event is still told";
  EXPECT_THAT(f.upsert(object("new", "7")), ElementsAre("new u@7 u@7"));
}

TEST(Store, never_lets_an_older_event_undo_an_own_write) {
  Fixture f;
  f.list("5", {object("a", "4")});
  f.store.on_own_write(object("a", "10"));
  EXPECT_THAT(f.upsert(object("a", "8")), IsEmpty()) << "somebody else's change before ours";
  EXPECT_EQ(f.at("a"), "u@10");
  EXPECT_THAT(f.upsert(object("a", "11")), ElementsAre("a u@10 u@11"));
}

TEST(Store, never_lets_a_late_answer_undo_a_newer_event) {
  Fixture f;
  f.list("5", {object("a", "4")});
  f.upsert(object("a", "9"));
  f.store.on_own_write(object("a", "8"));
  EXPECT_EQ(f.at("a"), "u@9");
}

TEST(Store, never_raises_the_dead_by_a_late_answer) {
  Fixture f;
  f.list("5", {object("a", "4")});
  f.erase(object("a", "9"));
  f.store.on_own_write(object("a", "8"));
  EXPECT_EQ(f.at("a"), "-");
}

TEST(Store, lets_a_newer_deletion_win_over_an_own_write) {
  Fixture f;
  f.list("5", {object("a", "4")});
  f.store.on_own_write(object("a", "6"));
  EXPECT_THAT(f.erase(object("a", "9")), ElementsAre("a u@9 -"));
  EXPECT_EQ(f.at("a"), "-");
}

TEST(Store, does_not_take_the_deletion_of_a_predecessor_for_that_of_its_successor) {
  Fixture f;
  f.list("5", {object("a", "4", "old")});
  f.store.on_own_write(object("a", "9", "new"));
  EXPECT_THAT(f.erase(object("a", "8", "old")), IsEmpty());
  EXPECT_EQ(f.at("a"), "new@9");
}

TEST(Store, keeps_an_own_write_over_an_older_list) {
  Fixture f;
  f.list("5", {object("a", "4")});
  f.store.on_own_write(object("a", "21"));
  f.store.on_own_write(object("created", "22"));
  EXPECT_THAT(f.list("20", {object("a", "4")}), IsEmpty());
  EXPECT_EQ(f.at("a"), "u@21");
  EXPECT_EQ(f.at("created"), "u@22");
}

TEST(Store, drops_an_own_write_that_a_newer_list_lacks) {
  Fixture f;
  f.list("5", {});
  f.store.on_own_write(object("created", "12"));
  EXPECT_THAT(f.list("20", {}), ElementsAre("created u@12 - initial"));
}

TEST(Store, drops_an_own_write_that_the_watch_has_passed_without_showing_it) {
  Fixture f;
  f.list("5", {});
  f.store.on_own_write(object("elsewhere", "12"));
  EXPECT_THAT(f.progress("11"), IsEmpty());
  EXPECT_EQ(f.at("elsewhere"), "u@12");
  EXPECT_THAT(f.progress("12"), ElementsAre("elsewhere u@12 -"))
      << "it is not part of the selection";
}

TEST(Store, falls_back_to_events_where_versions_cannot_be_compared) {
  Fixture f;
  f.list("x5", {object("a", "x4")});
  f.store.on_own_write(object("a", "x6"));
  EXPECT_EQ(f.at("a"), "u@x4");
  EXPECT_THAT(f.upsert(object("a", "x6")), ElementsAre("a u@x4 u@x6"));
}

TEST(Store, keeps_namespaces_apart) {
  Store store;
  StoreWriter one = store.writer("one");
  StoreWriter two = store.writer("two");
  one.apply(ItemsListed{{object("a", "1", "u", "one")}});
  one.apply(ListCompleted{"5"});
  EXPECT_FALSE(store.ready()) << "the other namespace is not listed yet";
  two.apply(ItemsListed{{object("a", "2", "u", "two")}});
  two.apply(ListCompleted{"6"});
  EXPECT_TRUE(store.ready());
  EXPECT_THAT(describe(one.apply(ListCompleted{"9"})), ElementsAre("a u@1 - initial"));
  EXPECT_TRUE(store.get({"two", "a"}));
  store.on_own_write(object("x", "3", "u", "three"));
  EXPECT_FALSE(store.get({"three", "x"})) << "nobody watches that namespace";
}

TEST(Store, applies_its_projection_to_own_writes) {
  Store store(keep_fields({"/status"}));
  StoreWriter writer = store.writer("");
  writer.apply(ListCompleted{"5"});
  json document = object("a", "6").json();
  document["spec"] = {{"big", "x"}};
  document["status"] = {{"ok", true}};
  document["metadata"]["managedFields"] = json::array();
  store.on_own_write(Object(document));
  const auto kept = store.get({"n", "a"});
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->at("/spec"), nullptr);
  EXPECT_EQ(kept->at("/metadata/managedFields"), nullptr);
  EXPECT_EQ(kept->boolean("/status/ok"), true);
}

TEST(Store, ends_a_wait_for_readiness_when_ready_or_stopped) {
  Fixture f;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(f.store.wait_ready(stop.get_token()));
  std::jthread lister([&] { f.list("5", {}); });
  EXPECT_TRUE(f.store.wait_ready(std::stop_source().get_token()));
}

TEST(Store, shows_readers_either_the_old_list_or_the_new_one) {
  Fixture f;
  f.list("1", {object("a", "1"), object("b", "1")});
  std::atomic<bool> mixed{false};
  std::jthread reader([&](std::stop_token stop) {
    while (!stop.stop_requested()) {
      const std::vector<Object> all = f.store.list();
      if (all.size() != 2 || all[0].resource_version() != all[1].resource_version()) mixed = true;
    }
  });
  for (int version = 2; version < 300; ++version) {
    const std::string v = std::to_string(version);
    f.list(v, {object("a", v), object("b", v)});
  }
  reader.request_stop();
  reader.join();
  EXPECT_FALSE(mixed);
}

}  // namespace
}  // namespace oa::kube
