#include "runtime-pod/storage/reader.h"

#include <array>
#include <cstdlib>
#include <utility>

#include "runtime-pod/storage/schema.h"

namespace oa::runtime {
namespace {

// The statements, in the order of the list below.
enum Sql : std::size_t { kFindAgent, kListAgents, kGetItem, kListItems, kGetLog };

struct SqlRow {
  Sql id;
  const char* text;
};

constexpr std::array<SqlRow, kGetLog + 1> kSql = {{
    {kFindAgent,
     "SELECT agent.id, uid, created, manifest, version, tick, bytes, log, time, state FROM agent "
     "JOIN state ON state.agent = agent.id WHERE namespace = ?1 AND name = ?2"},
    {kListAgents,
     "SELECT id, uid, created, manifest, name FROM agent WHERE namespace = ?1 AND name > ?2 ORDER "
     "BY name LIMIT ?3"},
    {kGetItem,
     "SELECT value, content_type, version FROM item WHERE agent = ?1 AND kind = ?2 AND key = ?3"},
    {kListItems,
     "SELECT key, content_type, length(value), version FROM item WHERE agent = ?1 AND kind = ?2 "
     "AND key >= ?3 AND key > ?4 ORDER BY key LIMIT ?5"},
    {kGetLog,
     "SELECT prev, tick, time, record FROM log WHERE id = ?1 AND agent = ?2 AND kind = ?3"},
}};

Time from_micros(std::int64_t count) { return Time(Duration(count)); }

// Gives a statement back to the next caller on every way out.
class Use {
 public:
  explicit Use(sqlite::Statement& statement) : statement_(statement) {}
  ~Use() { statement_.reset(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  sqlite::Statement* operator->() { return &statement_; }

 private:
  sqlite::Statement& statement_;
};

}  // namespace

Reader::Reader(Reader&& other) noexcept
    : db_(std::move(other.db_)), statements_(std::move(other.statements_)) {}

Result<Reader> Reader::open(sqlite::Database db) {
  Reader reader(std::move(db));
  if (auto done = prepare_reader(reader.db_); !done) return done.error();
  for (const SqlRow& row : kSql) {
    if (row.id != reader.statements_.size()) std::abort();  // the list is out of order
    auto statement = reader.db_.prepare(row.text);
    if (!statement) return statement.error();
    reader.statements_.push_back(std::move(*statement));
  }
  return reader;
}

Result<std::optional<StoredAgent>> Reader::find_agent(const AgentId& id) {
  const std::lock_guard lock(mutex_);
  Use query(statements_[kFindAgent]);
  query->bind(1, id.namespace_name).bind(2, id.name);
  auto row = query->step();
  if (!row) return row.error();
  if (!*row) return std::optional<StoredAgent>();
  StoredAgent found;
  found.row = {query->integer(0), id, std::string(query->text(1)), from_micros(query->integer(2)),
               std::string(query->text(3))};
  found.head = {query->integer(4), query->integer(5), query->integer(6), query->integer(7),
                from_micros(query->integer(8))};
  if (!query->is_null(9)) found.state = std::string(query->text(9));
  return std::optional<StoredAgent>(std::move(found));
}

Result<Page<AgentRow, std::string>> Reader::list_agents(const std::string& namespace_name,
                                                        const std::string& after, int limit) {
  const std::lock_guard lock(mutex_);
  Use query(statements_[kListAgents]);
  query->bind(1, namespace_name).bind(2, after).bind(3, std::int64_t{limit} + 1);
  Page<AgentRow, std::string> page;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return page;
    if (page.items.size() == static_cast<std::size_t>(limit)) {
      page.next = page.items.back().id.name;
      return page;
    }
    page.items.push_back({query->integer(0),
                          {namespace_name, std::string(query->text(4))},
                          std::string(query->text(1)),
                          from_micros(query->integer(2)),
                          std::string(query->text(3))});
  }
}

Result<std::optional<KvValue>> Reader::get_kv(AgentKey agent, const std::string& key) {
  const std::lock_guard lock(mutex_);
  Use query(statements_[kGetItem]);
  query->bind(1, agent).bind(2, kItemKv).bind(3, key);
  auto row = query->step();
  if (!row) return row.error();
  if (!*row) return std::optional<KvValue>();
  return std::optional<KvValue>(
      {std::string(query->text(0)), std::string(query->text(1)), query->integer(2)});
}

Result<Page<KvEntry, std::string>> Reader::list_kv(AgentKey agent, const std::string& prefix,
                                                   const std::string& after, int limit) {
  const std::lock_guard lock(mutex_);
  Use query(statements_[kListItems]);
  query->bind(1, agent).bind(2, kItemKv).bind(3, prefix).bind(4, after);
  query->bind(5, std::int64_t{limit} + 1);
  Page<KvEntry, std::string> page;
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    // Keys with the prefix stand together, from the prefix itself on.
    if (!*row || !query->text(0).starts_with(prefix)) return page;
    if (page.items.size() == static_cast<std::size_t>(limit)) {
      page.next = page.items.back().key;
      return page;
    }
    page.items.push_back({std::string(query->text(0)), std::string(query->text(1)),
                          query->integer(2), query->integer(3)});
  }
}

Result<Page<LogRecord, std::int64_t>> Reader::list_log(AgentKey agent, std::int64_t from,
                                                       int limit) {
  const std::lock_guard lock(mutex_);
  Page<LogRecord, std::int64_t> page;
  std::int64_t id = from;
  while (id != 0) {
    if (page.items.size() == static_cast<std::size_t>(limit)) {
      page.next = id;
      return page;
    }
    Use query(statements_[kGetLog]);
    query->bind(1, id).bind(2, agent).bind(3, kLogTick);
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) {
      return make_error(Code::kNotFound, "the agent's log has no record " + std::to_string(id));
    }
    page.items.push_back(
        {id, query->integer(1), from_micros(query->integer(2)), std::string(query->text(3))});
    id = query->integer(0);
  }
  return page;
}

}  // namespace oa::runtime
