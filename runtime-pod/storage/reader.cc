#include "runtime-pod/storage/reader.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "runtime-pod/storage/schema.h"
#include "runtime-pod/storage/statements.h"

namespace oa::runtime {
namespace {

enum class Sql : std::size_t {
  kFindAgent,
  kListAgents,
  kGetItem,
  kListItems,
  kListKeys,
  kGetLog,
  kGetEnds,
  kGetPrevious,
  kGetRecord,
  kGetAnchor,
  kDueRows,
  kNextDue,
  kNextDueOfAgent,
  kCount,
};

constexpr std::array<const char*, static_cast<std::size_t>(Sql::kCount)> kSql = {
    "SELECT version, tick, bytes, ordinal, log, event, number, use_day, use_ticks, use_bytes, "
    "use_iterations, time, hash, id, uid, created, manifest, state_bytes, state.state, "
    "large_state.state, namespace, name FROM agent JOIN state ON state.agent = id LEFT JOIN "
    "large_state ON large_state.agent = id WHERE id = coalesce(?1, (SELECT id FROM agent WHERE "
    "namespace = ?2 AND name = ?3))",
    "SELECT id, uid, created, manifest, name FROM agent WHERE namespace = ?1 AND name > ?2 ORDER "
    "BY name LIMIT ?3",
    "SELECT key, number, due_class, due, content_type, length(value), value FROM item WHERE agent "
    "= ?1 AND kind = ?2 AND key = ?3",
    "SELECT key, number, due_class, due, content_type, length(value), value FROM item WHERE agent "
    "= ?1 AND kind = ?2 AND key >= ?3 AND key > ?4 ORDER BY key LIMIT ?5",
    "SELECT key, number, due_class, due, content_type, length(value) FROM item WHERE agent = ?1 "
    "AND kind = ?2 AND key >= ?3 AND key > ?4 ORDER BY key LIMIT ?5",
    "SELECT prev, tick, number, time, hash, record FROM log WHERE id = ?1 AND agent = ?2 AND kind "
    "= ?3",
    "SELECT log, event FROM state WHERE agent = ?1",
    "SELECT prev FROM log WHERE id = ?1 AND agent = ?2",
    "SELECT kind, tick, number, time, hash, record FROM log WHERE id = ?1",
    "SELECT number, time, hash FROM anchor WHERE agent = ?1",
    "SELECT due, item.agent, kind, key FROM item INDEXED BY item_due WHERE due_class = ?1 AND due "
    ">= ?2 AND due <= ?3 AND (due, item.agent, kind, key) > (?2, ?4, ?5, ?6) AND EXISTS(SELECT 1 "
    "FROM state WHERE state.agent = item.agent) ORDER BY due, item.agent, kind, key LIMIT ?7",
    "SELECT due FROM item INDEXED BY item_due WHERE due_class = 0 AND due > ?1 AND EXISTS(SELECT "
    "1 FROM state WHERE state.agent = item.agent) ORDER BY due LIMIT 1",
    // By the kinds of `can_have_work`, so that an agent's keys and old envelopes are not looked at.
    "SELECT min(due) FROM (SELECT min(due) AS due FROM item WHERE agent = ?1 AND kind = 2 AND "
    "due_class = 0 UNION ALL SELECT min(due) FROM item WHERE agent = ?1 AND kind >= 6 AND "
    "due_class = 0)",
};

constexpr std::int64_t kBeforeAll = std::numeric_limits<std::int64_t>::min();

AgentRow read_row(const sqlite::Statement& query, int first) {
  return {.key = query.integer(first),
          .id = {},
          .uid = std::string(query.text(first + 1)),
          .created = from_micros(query.integer(first + 2)),
          .manifest = std::string(query.text(first + 3))};
}

Result<std::optional<StoredAgent>> read_agent(sqlite::Statement& query) {
  auto row = query.step();
  if (!row) return row.error();
  if (!*row) return std::optional<StoredAgent>();
  StoredAgent found;
  found.head = read_head(query, 0);
  found.row = read_row(query, 13);
  found.row.id = {std::string(query.text(20)), std::string(query.text(21))};
  if (!query.is_null(17)) found.state = std::string(query.text(query.is_null(18) ? 19 : 18));
  return std::optional<StoredAgent>(std::move(found));
}

Item read_item(const sqlite::Statement& query, Values values) {
  Item item;
  item.key = query.text(0);
  item.number = query.integer(1);
  if (!query.is_null(3)) {
    item.due = Due{static_cast<Due::Class>(query.integer(2)), from_micros(query.integer(3))};
  }
  item.content_type = query.text(4);
  item.bytes = query.integer(5);
  if (values == Values::kInclude) item.value = query.text(6);
  return item;
}

Result<std::optional<Time>> read_time(sqlite::Statement& query) {
  auto row = query.step();
  if (!row) return row.error();
  if (!*row || query.is_null(0)) return std::optional<Time>();
  return std::optional<Time>(from_micros(query.integer(0)));
}

}  // namespace

struct Reader::Connection {
  explicit Connection(sqlite::Database database) : db(std::move(database)) {}

  std::mutex mutex;
  sqlite::Database db;  // by mutex, but for `interrupt`
  Statements<Sql> sql;  // by mutex
};

Reader::Reader(std::unique_ptr<Connection> rows, std::unique_ptr<Connection> lists)
    : rows_(std::move(rows)), lists_(std::move(lists)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<Reader> Reader::open(const std::string& path, const char* vfs) {
  const auto connect = [&]() -> Result<std::unique_ptr<Connection>> {
    auto db = sqlite::Database::open(path, {.read_only = true, .vfs = vfs});
    if (!db) return db.error();
    auto connection = std::make_unique<Connection>(std::move(*db));
    if (auto done = prepare_reader(connection->db); !done) return done.error();
    auto statements = Statements<Sql>::prepare(connection->db, kSql);
    if (!statements) return statements.error();
    connection->sql = std::move(*statements);
    return connection;
  };
  auto rows = connect();
  if (!rows) return rows.error();
  auto lists = connect();
  if (!lists) return lists.error();
  return Reader(std::move(*rows), std::move(*lists));
}

void Reader::interrupt() {
  rows_->db.interrupt();
  lists_->db.interrupt();
}

Result<std::optional<StoredAgent>> Reader::find_agent(const AgentId& id) {
  const std::lock_guard lock(rows_->mutex);
  Use query(rows_->sql[Sql::kFindAgent]);
  query->bind(2, id.namespace_name).bind(3, id.name);
  return read_agent(*query);
}

Result<std::optional<StoredAgent>> Reader::find_agent(AgentKey agent) {
  const std::lock_guard lock(rows_->mutex);
  Use query(rows_->sql[Sql::kFindAgent]);
  query->bind(1, agent);
  return read_agent(*query);
}

Result<Page<AgentRow, std::string>> Reader::list_agents(const std::string& namespace_name,
                                                        const std::string& after, int limit) {
  const std::lock_guard lock(lists_->mutex);
  Use query(lists_->sql[Sql::kListAgents]);
  query->bind(1, namespace_name).bind(2, after).bind(3, std::int64_t{limit} + 1);
  Page<AgentRow, std::string> page;
  std::int64_t bytes = 0;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return page;
    if (page.items.size() == static_cast<std::size_t>(limit) || bytes >= kMaxListBytes) {
      page.next = page.items.back().id.name;
      return page;
    }
    page.items.push_back(read_row(*query, 0));
    page.items.back().id = {namespace_name, std::string(query->text(4))};
    bytes += static_cast<std::int64_t>(page.items.back().manifest.size());
  }
}

Result<std::optional<Item>> Reader::get_item(AgentKey agent, ItemKind kind,
                                             const std::string& key) {
  const std::lock_guard lock(rows_->mutex);
  Use query(rows_->sql[Sql::kGetItem]);
  auto row = query->bind(1, agent).bind(2, number_of(kind)).bind(3, key).step();
  if (!row) return row.error();
  if (!*row) return std::optional<Item>();
  return std::optional<Item>(read_item(*query, Values::kInclude));
}

Result<Page<Item, std::string>> Reader::list_items(AgentKey agent, ItemKind kind,
                                                   const std::string& prefix,
                                                   const std::string& after, int limit,
                                                   Values values) {
  const std::lock_guard lock(lists_->mutex);
  Use query(lists_->sql[values == Values::kInclude ? Sql::kListItems : Sql::kListKeys]);
  query->bind(1, agent).bind(2, number_of(kind)).bind(3, prefix).bind(4, after);
  query->bind(5, std::int64_t{limit} + 1);
  Page<Item, std::string> page;
  std::int64_t bytes = 0;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    // Keys with the prefix stand together, from the prefix itself on.
    if (!*row || !query->text(0).starts_with(prefix)) return page;
    if (page.items.size() == static_cast<std::size_t>(limit) || bytes >= kMaxListBytes) {
      page.next = page.items.back().key;
      return page;
    }
    page.items.push_back(read_item(*query, values));
    bytes += static_cast<std::int64_t>(page.items.back().value.size());
  }
}

Result<Page<LogRecord, std::int64_t>> Reader::list_log(AgentKey agent, std::int64_t from, int limit,
                                                       LogKind kind) {
  const std::lock_guard lock(lists_->mutex);
  Page<LogRecord, std::int64_t> page;
  std::int64_t bytes = 0;
  for (std::int64_t id = from; id != 0;) {
    Use query(lists_->sql[Sql::kGetLog]);
    query->bind(1, id).bind(2, agent).bind(3, number_of(kind));
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) {
      if (id != from) return page;  // what is older was trimmed
      return make_error(Code::kNotFound, "the agent's log has no record " + std::to_string(id));
    }
    if (page.items.size() == static_cast<std::size_t>(limit) || bytes >= kMaxListBytes) {
      page.next = id;
      return page;
    }
    page.items.push_back({id, kind, query->integer(1), query->integer(2),
                          from_micros(query->integer(3)), std::string(query->text(5)),
                          to_hash(query->text(4))});
    bytes += static_cast<std::int64_t>(page.items.back().text.size());
    id = query->integer(0);
  }
  return page;
}

Result<Feed> Reader::read_feed(AgentKey agent, std::int64_t after, int limit) {
  const std::lock_guard lock(lists_->mutex);
  if (auto done = lists_->db.execute("BEGIN"); !done) return done.error();
  auto feed = read_feed_in_transaction(agent, after, limit);
  // An interruption may hit the end of the transaction too, which must not stay open.
  while (!lists_->db.autocommit()) static_cast<void>(lists_->db.execute("ROLLBACK"));
  return feed;
}

Result<Feed> Reader::read_feed_in_transaction(AgentKey agent, std::int64_t after, int limit) {
  Feed feed;
  auto ids = walk_back(agent, after, feed.oldest);
  if (!ids) return ids.error();
  std::int64_t bytes = 0;
  for (auto id = ids->rbegin(); id != ids->rend(); ++id) {
    feed.more = feed.records.size() == static_cast<std::size_t>(limit) || bytes >= kMaxListBytes;
    if (feed.more) break;
    Use query(lists_->sql[Sql::kGetRecord]);
    auto row = query->bind(1, *id).step();
    if (!row) return row.error();
    if (!*row)
      return make_error(Code::kInternal, "Corrupt", "a record must not go while it is read");
    feed.records.push_back({*id, static_cast<LogKind>(query->integer(0)), query->integer(1),
                            query->integer(2), from_micros(query->integer(3)),
                            std::string(query->text(5)), to_hash(query->text(4))});
    bytes += static_cast<std::int64_t>(feed.records.back().text.size());
  }
  return feed;
}

// The ids of an agent's records above `after`, newest first, from both of its chains; `oldest` as
// in Feed.
Result<std::vector<std::int64_t>> Reader::walk_back(AgentKey agent, std::int64_t after,
                                                    std::optional<std::int64_t>& oldest) {
  std::vector<std::int64_t> ids;
  std::array<std::int64_t, 2> next{};  // of each chain
  std::array<std::int64_t, 2> last{};  // of each chain: the last one that was there
  {
    Use query(lists_->sql[Sql::kGetEnds]);
    auto row = query->bind(1, agent).step();
    if (!row) return row.error();
    if (*row) next = {query->integer(0), query->integer(1)};
  }
  for (;;) {
    const std::size_t newer = next[0] > next[1] ? 0 : 1;
    const std::int64_t id = next[newer];
    if (id <= after) break;
    if (ids.size() == kMaxFeedRecords) {
      oldest = ids.back();
      break;
    }
    Use query(lists_->sql[Sql::kGetPrevious]);
    auto row = query->bind(1, id).bind(2, agent).step();
    if (!row) return row.error();
    if (*row) {
      ids.push_back(id);
      last[newer] = id;
      next[newer] = query->integer(0);
    } else {  // what is older was trimmed
      oldest = std::max(oldest.value_or(0), last[newer]);
      next[newer] = 0;
    }
  }
  while (oldest && !ids.empty() && ids.back() < *oldest) ids.pop_back();
  return ids;
}

Result<std::optional<LogAnchor>> Reader::find_anchor(AgentKey agent) {
  const std::lock_guard lock(rows_->mutex);
  Use query(rows_->sql[Sql::kGetAnchor]);
  auto row = query->bind(1, agent).step();
  if (!row) return row.error();
  if (!*row) return std::optional<LogAnchor>();
  return std::optional<LogAnchor>(
      {query->integer(0), from_micros(query->integer(1)), to_hash(query->text(2))});
}

Result<std::vector<DueRow>> Reader::due_rows(Due::Class what, const std::optional<DueRow>& after,
                                             Time up_to, int limit) {
  const std::lock_guard lock(lists_->mutex);
  Use query(lists_->sql[Sql::kDueRows]);
  query->bind(1, number_of(what)).bind(2, after ? micros(after->at) : kBeforeAll);
  query->bind(3, micros(up_to)).bind(4, after ? after->agent : kBeforeAll);
  query->bind(5, after ? number_of(after->kind) : 0).bind(6, after ? after->key : std::string());
  query->bind(7, std::int64_t{limit});
  std::vector<DueRow> rows;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return rows;
    rows.push_back({from_micros(query->integer(0)), query->integer(1),
                    static_cast<ItemKind>(query->integer(2)), std::string(query->text(3))});
  }
}

Result<std::optional<Time>> Reader::next_due() {
  const std::lock_guard lock(rows_->mutex);
  Use query(rows_->sql[Sql::kNextDue]);
  query->bind(1, kBeforeAll);
  return read_time(*query);
}

Result<std::optional<Time>> Reader::next_due(AgentKey agent) {
  const std::lock_guard lock(rows_->mutex);
  Use query(rows_->sql[Sql::kNextDueOfAgent]);
  query->bind(1, agent);
  return read_time(*query);
}

}  // namespace oa::runtime
