#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/client_pool_impl.h"

namespace oa::net {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Ids = std::vector<ClientPool::ExchangeId>;

constexpr ClientPool::SteadyTime kNow{std::chrono::hours(1)};

class FakeConnection : public Pooled {
 public:
  explicit FakeConnection(bool usable = true) : usable_(usable) {}
  bool usable() override { return usable_; }

 private:
  const bool usable_;
};

ClientPool::Limits limits(std::size_t per_host, std::size_t total = 100) {
  return {per_host, 100, total, std::chrono::seconds(10)};
}

Ids turns(ClientPool& pool) {
  Ids ids;
  while (const auto turn = pool.next()) ids.push_back(turn->exchange);
  return ids;
}

TEST(ClientPool, gives_turns_up_to_the_limit_of_the_host_in_order) {
  ClientPool pool(limits(2));
  for (ClientPool::ExchangeId id = 1; id <= 4; ++id) EXPECT_TRUE(pool.ask("a", id));
  EXPECT_TRUE(pool.ask("b", 5));
  EXPECT_THAT(turns(pool), ElementsAre(1, 2, 5));
  pool.give_back("a", nullptr, kNow);
  EXPECT_THAT(turns(pool), ElementsAre(3));
}

TEST(ClientPool, gives_turns_up_to_the_limit_in_all_to_who_waits_longest) {
  ClientPool pool(limits(2, 2));
  pool.ask("a", 1);
  pool.ask("a", 2);
  pool.ask("b", 3);
  pool.ask("a", 4);
  EXPECT_THAT(turns(pool), ElementsAre(1, 2));
  pool.give_back("a", std::make_shared<FakeConnection>(), kNow);
  EXPECT_THAT(turns(pool), ElementsAre(3)) << "closes what is kept for another host";
  pool.give_back("b", nullptr, kNow);
  EXPECT_THAT(turns(pool), ElementsAre(4));
}

TEST(ClientPool, refuses_when_as_many_wait_as_may) {
  ClientPool pool({1, 1, 100, std::chrono::seconds(10)});
  EXPECT_TRUE(pool.ask("a", 1));
  EXPECT_THAT(turns(pool), ElementsAre(1));
  EXPECT_TRUE(pool.ask("a", 2));
  EXPECT_FALSE(pool.ask("a", 3));
  EXPECT_TRUE(pool.ask("b", 4));
  pool.withdraw("a", 2);
  EXPECT_TRUE(pool.ask("a", 5));
}

TEST(ClientPool, counts_those_that_can_go_on_at_once_as_not_waiting) {
  ClientPool pool({2, 0, 100, std::chrono::seconds(10)});
  EXPECT_TRUE(pool.ask("a", 1));
  EXPECT_TRUE(pool.ask("a", 2));
  EXPECT_FALSE(pool.ask("a", 3));
}

TEST(ClientPool, passes_over_who_has_withdrawn) {
  ClientPool pool(limits(1));
  for (ClientPool::ExchangeId id = 1; id <= 3; ++id) pool.ask("a", id);
  EXPECT_THAT(turns(pool), ElementsAre(1));
  pool.withdraw("a", 2);
  pool.withdraw("unknown", 2);
  pool.give_back("a", nullptr, kNow);
  EXPECT_THAT(turns(pool), ElementsAre(3));
}

TEST(ClientPool, hands_out_the_connection_that_was_used_last) {
  ClientPool pool(limits(4));
  pool.ask("a", 1);
  pool.ask("a", 2);
  EXPECT_THAT(turns(pool), ElementsAre(1, 2));
  const auto first = std::make_shared<FakeConnection>();
  const auto second = std::make_shared<FakeConnection>();
  pool.give_back("a", first, kNow);
  pool.give_back("a", second, kNow);
  pool.ask("b", 3);
  pool.ask("a", 4);
  EXPECT_EQ(pool.next()->kept, nullptr) << "of another host";
  EXPECT_EQ(pool.next()->kept, second);
}

TEST(ClientPool, closes_kept_connections_that_cannot_be_used) {
  ClientPool pool(limits(1, 1));
  pool.ask("a", 1);
  EXPECT_THAT(turns(pool), ElementsAre(1));
  auto dead = std::make_shared<FakeConnection>(false);
  const std::weak_ptr<FakeConnection> watched = dead;
  pool.give_back("a", std::move(dead), kNow);
  pool.ask("a", 2);
  EXPECT_EQ(pool.next()->kept, nullptr);
  EXPECT_TRUE(watched.expired());
}

TEST(ClientPool, closes_connections_when_they_have_been_unused_for_long_enough) {
  ClientPool pool(limits(4));
  pool.ask("a", 1);
  pool.ask("b", 2);
  EXPECT_THAT(turns(pool), ElementsAre(1, 2));
  EXPECT_EQ(pool.close_unused(kNow), std::nullopt);
  pool.give_back("a", std::make_shared<FakeConnection>(), kNow);
  pool.give_back("b", std::make_shared<FakeConnection>(), kNow + std::chrono::seconds(1));
  EXPECT_EQ(pool.close_unused(kNow), kNow + std::chrono::seconds(10));
  EXPECT_EQ(pool.close_unused(kNow + std::chrono::seconds(10)), kNow + std::chrono::seconds(11));
  EXPECT_EQ(pool.close_unused(kNow + std::chrono::seconds(11)), std::nullopt);
  pool.ask("a", 3);
  EXPECT_EQ(pool.next()->kept, nullptr);
  EXPECT_THAT(turns(pool), IsEmpty());
}

}  // namespace
}  // namespace oa::net
