#include "runtime-pod/storage/snapshot.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "runtime-pod/storage/schema.h"
#include "runtime-pod/storage/statements.h"

namespace oa::runtime {
namespace {

enum class Sql : std::size_t {
  kListAgents,
  kFindAgent,
  kGetAnchor,
  kListItems,
  kGetPrevious,
  kGetRecord,
  kCount,
};

constexpr std::array<const char*, static_cast<std::size_t>(Sql::kCount)> kSql = {
    "SELECT version, tick, bytes, ordinal, log, event, number, use_day, use_ticks, use_bytes, "
    "use_iterations, time, hash, id, uid, created, manifest, state_bytes, state.state, "
    "large_state.state, namespace, name FROM agent JOIN state ON state.agent = id LEFT JOIN "
    "large_state ON large_state.agent = id ORDER BY id",
    "SELECT version, tick, bytes, ordinal, log, event, number, use_day, use_ticks, use_bytes, "
    "use_iterations, time, hash, id, uid, created, manifest, state_bytes, state.state, "
    "large_state.state, namespace, name FROM agent JOIN state ON state.agent = id LEFT JOIN "
    "large_state ON large_state.agent = id WHERE namespace = ?1 AND name = ?2",
    "SELECT number, time, hash FROM anchor WHERE agent = ?1",
    "SELECT kind, key, number, due_class, due, content_type, value FROM item WHERE agent = ?1 "
    "ORDER BY kind, key",
    "SELECT prev FROM log WHERE id = ?1 AND agent = ?2",
    "SELECT kind, tick, number, time, hash, record FROM log WHERE id = ?1",
};

StoredAgent read_agent(const sqlite::Statement& query) {
  StoredAgent found;
  found.head = read_head(query, 0);
  found.row = {.key = query.integer(13),
               .id = {std::string(query.text(20)), std::string(query.text(21))},
               .uid = std::string(query.text(14)),
               .created = from_micros(query.integer(15)),
               .manifest = std::string(query.text(16))};
  if (!query.is_null(17)) found.state = std::string(query.text(query.is_null(18) ? 19 : 18));
  return found;
}

}  // namespace

struct Snapshot::Connection {
  explicit Connection(sqlite::Database database) : db(std::move(database)) {}

  sqlite::Database db;
  Statements<Sql> sql;
};

Snapshot::Snapshot(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

Result<Snapshot> Snapshot::open(const std::string& path, const char* vfs) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return make_error(Code::kNotFound, "there must be a database " + path + " but is none");
  }
  auto db = sqlite::Database::open(path, {.read_only = true, .vfs = vfs});
  if (!db) return db.error();
  auto connection = std::make_unique<Connection>(std::move(*db));
  if (auto done = prepare_reader(connection->db); !done) return done.error();
  auto statements = Statements<Sql>::prepare(connection->db, kSql);
  if (!statements) return statements.error();
  connection->sql = std::move(*statements);
  // The moment is that of the first read.
  if (auto done = connection->db.execute("BEGIN"); !done) return done.error();
  auto moment = connection->db.query_integer("SELECT count(*) FROM meta");
  if (!moment) return moment.error();
  return Snapshot(std::move(connection));
}

Result<std::optional<StoredAgent>> Snapshot::find_agent(const AgentId& id) {
  Use query(connection_->sql[Sql::kFindAgent]);
  auto row = query->bind(1, id.namespace_name).bind(2, id.name).step();
  if (!row) return row.error();
  if (!*row) return std::optional<StoredAgent>();
  return std::optional<StoredAgent>(read_agent(*query));
}

Result<void> Snapshot::each_agent(const TakeAgent& take) {
  Use query(connection_->sql[Sql::kListAgents]);
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return {};
    if (auto taken = take(read_agent(*query)); !taken) return taken;
  }
}

Result<std::optional<LogAnchor>> Snapshot::find_anchor(AgentKey agent) {
  Use query(connection_->sql[Sql::kGetAnchor]);
  auto row = query->bind(1, agent).step();
  if (!row) return row.error();
  if (!*row) return std::optional<LogAnchor>();
  return std::optional<LogAnchor>(
      {query->integer(0), from_micros(query->integer(1)), to_hash(query->text(2))});
}

Result<void> Snapshot::each_item(AgentKey agent, const TakeItem& take) {
  Use query(connection_->sql[Sql::kListItems]);
  query->bind(1, agent);
  for (;;) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return {};
    Item item{.key = std::string(query->text(1)),
              .value = std::string(query->text(6)),
              .content_type = std::string(query->text(5)),
              .number = query->integer(2)};
    item.bytes = static_cast<std::int64_t>(item.value.size());
    if (!query->is_null(4)) {
      item.due = Due{static_cast<Due::Class>(query->integer(3)), from_micros(query->integer(4))};
    }
    if (auto taken = take(static_cast<ItemKind>(query->integer(0)), item); !taken) return taken;
  }
}

Result<void> Snapshot::each_record(const StoredAgent& agent, const TakeRecord& take) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id : {agent.head.log, agent.head.event}) {
    while (id != 0) {
      Use query(connection_->sql[Sql::kGetPrevious]);
      auto row = query->bind(1, id).bind(2, agent.row.key).step();
      if (!row) return row.error();
      if (!*row) break;  // what is older was trimmed
      ids.push_back(id);
      id = query->integer(0);
    }
  }
  std::sort(ids.begin(), ids.end());
  for (const std::int64_t id : ids) {
    Use query(connection_->sql[Sql::kGetRecord]);
    auto row = query->bind(1, id).step();
    if (!row) return row.error();
    if (!*row) return make_error(Code::kInternal, "Corrupt", "a record must not be lost");
    const LogRecord record{id,
                           static_cast<LogKind>(query->integer(0)),
                           query->integer(1),
                           query->integer(2),
                           from_micros(query->integer(3)),
                           std::string(query->text(5)),
                           to_hash(query->text(4))};
    if (auto taken = take(record); !taken) return taken;
  }
  return {};
}

}  // namespace oa::runtime
