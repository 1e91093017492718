// SQLite as values and RAII handles, with its errors as Result. No SQL of the product is in here.
//
// Thread-safety: a Database and its Statements belong to one thread at a time
// (SQLITE_OPEN_NOMUTEX).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace oa::sqlite {

// Errors: SQLITE_FULL is LIMIT_EXCEEDED/StorageFull, BUSY and LOCKED are UNAVAILABLE/StorageBusy,
// INTERRUPT is UNAVAILABLE/Interrupted, CORRUPT and NOTADB are INTERNAL/Corrupt, IOERR, READONLY
// and CANTOPEN are UNAVAILABLE/StorageFailed, everything else INTERNAL. The detail names the
// statement or file and SQLite's own message.

class Statement {
 public:
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();

  // Parameters count from 1. Text and blobs are copied.
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  // The same without a copy: the bytes must stay until the statement is done or reset.
  Statement& bind_static(int index, std::string_view text);
  Statement& bind_static_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);

  // True: a row is there; false: done. After false, or an error, the statement is reset and its
  // bindings cleared.
  Result<bool> step();
  // Runs to the end, throwing rows away.
  Result<void> run();
  void reset();

  // Columns count from 0; valid until the next step.
  std::int64_t integer(int column) const;
  std::string_view text(int column) const;  // also for blobs
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement);
  sqlite3* db_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

struct OpenOptions {
  bool read_only = false;
  std::chrono::milliseconds busy_timeout{5000};
  const char* vfs = nullptr;  // the name of a registered VFS; null: the system's
};

class Database {
 public:
  static Result<Database> open(const std::string& path, OpenOptions options = {});
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  Result<Statement> prepare(std::string_view sql);
  Result<void> execute(std::string_view sql);  // one or more statements without parameters
  Result<std::int64_t> query_integer(std::string_view sql);

  // False while a transaction is open. After a failed statement this tells whether SQLite has
  // rolled back by itself.
  bool autocommit() const;
  std::int64_t changes() const;

  struct Checkpoint {
    bool busy;  // a reader kept a part of the log in use
    int wal_frames;
    int checkpointed;
  };
  // Copies what it can into the database without waiting for anybody.
  Result<Checkpoint> checkpoint_passive();
  // Copies everything and empties the log's file; waits for readers for the busy timeout.
  Result<Checkpoint> checkpoint_truncate();

  // Pages in the write-ahead log since it was last reset, as of this connection's last commit.
  // Nothing is checkpointed by itself: who writes decides when.
  int wal_frames() const;

  // Ends the statements that run at this moment with UNAVAILABLE/Interrupted. From any thread.
  void interrupt();

 private:
  struct Connection;
  explicit Database(std::unique_ptr<Connection> connection);
  Result<Checkpoint> checkpoint(int mode);

  std::unique_ptr<Connection> connection_;
};

}  // namespace oa::sqlite
