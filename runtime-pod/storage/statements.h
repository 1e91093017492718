// A class's prepared statements, found by their place in its list, and the forms that values have
// in columns.
//
// Thread-safety: as the Database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "libs/sqlite/database.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// Keeps a class's statements, by the enumeration of its list.
template <typename Sql>
class Statements {
 public:
  static Result<Statements> prepare(sqlite::Database& db, std::span<const char* const> list) {
    Statements statements;
    for (const char* text : list) {
      auto statement = db.prepare(text);
      if (!statement) return statement.error();
      statements.list_.push_back(std::move(*statement));
    }
    return statements;
  }
  sqlite::Statement& operator[](Sql sql) { return list_[static_cast<std::size_t>(sql)]; }

 private:
  std::vector<sqlite::Statement> list_;
};

// Gives a statement back to the next caller on every way out.
class Use {
 public:
  explicit Use(sqlite::Statement& statement) : statement_(statement) {}
  ~Use() { statement_.reset(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  sqlite::Statement* operator->() { return &statement_; }
  sqlite::Statement& operator*() { return statement_; }

 private:
  sqlite::Statement& statement_;
};

inline std::int64_t micros(Time time) { return time.time_since_epoch().count(); }
inline Time from_micros(std::int64_t count) { return Time(Duration(count)); }

inline std::int64_t number_of(ItemKind kind) { return static_cast<std::int64_t>(kind); }
inline std::int64_t number_of(LogKind kind) { return static_cast<std::int64_t>(kind); }
inline std::int64_t number_of(Due::Class what) { return static_cast<std::int64_t>(what); }

inline std::string_view bytes_of(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// Zeros where there is none: of records from before the chain.
inline Hash to_hash(std::string_view bytes) {
  Hash hash{};
  if (bytes.size() == hash.size()) std::memcpy(hash.data(), bytes.data(), hash.size());
  return hash;
}

// An agent's head from the columns version, tick, bytes, ordinal, log, event, number, use_day,
// use_ticks, use_bytes, use_iterations, time and hash, the first of which is `first`.
inline AgentHead read_head(const sqlite::Statement& row, int first) {
  const auto at = [&](int column) { return row.integer(first + column); };
  return {.version = at(0),
          .tick = at(1),
          .bytes = at(2),
          .ordinal = at(3),
          .log = at(4),
          .event = at(5),
          .number = at(6),
          .hash = to_hash(row.text(first + 12)),
          .use = {at(7), at(8), at(9), at(10)},
          .time = from_micros(at(11))};
}
inline constexpr int kHeadColumns = 13;

}  // namespace oa::runtime
