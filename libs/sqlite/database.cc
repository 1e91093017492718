#include "libs/sqlite/database.h"

#include <cstdlib>
#include <utility>

#include <sqlite3.h>

#include "core/text.h"

namespace oa::sqlite {
namespace {

Error make_sqlite_error(sqlite3* db, int rc, std::string_view subject) {
  const std::string detail = "SQLite: " + shorten(subject, 200) + ": " +
                             (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(rc)) + " (" +
                             std::to_string(db != nullptr ? sqlite3_extended_errcode(db) : rc) +
                             ")";
  switch (rc & 0xff) {
    case SQLITE_FULL:
      return make_error(Code::kLimitExceeded, "StorageFull", detail);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return make_error(Code::kUnavailable, "StorageBusy", detail);
    case SQLITE_INTERRUPT:
      return make_error(Code::kUnavailable, "Interrupted", detail);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return make_error(Code::kInternal, "Corrupt", detail);
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return make_error(Code::kUnavailable, "StorageFailed", detail);
    default:
      return make_error(Code::kInternal, detail);
  }
}

// A bind fails only for an index that the statement does not have, or a value over SQLite's 1 GB:
// both are bugs of the caller.
void check_bind(int rc) {
  if (rc != SQLITE_OK) std::abort();
}

// SQLite takes a null pointer for NULL, also where the length is 0.
const char* data_of(std::string_view bytes) { return bytes.data() != nullptr ? bytes.data() : ""; }

}  // namespace

Statement::Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int index, std::int64_t value) {
  check_bind(sqlite3_bind_int64(statement_, index, value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  check_bind(sqlite3_bind_text64(statement_, index, data_of(text), text.size(), SQLITE_TRANSIENT,
                                 SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  check_bind(
      sqlite3_bind_blob64(statement_, index, data_of(bytes), bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind_static(int index, std::string_view text) {
  check_bind(sqlite3_bind_text64(statement_, index, data_of(text), text.size(), SQLITE_STATIC,
                                 SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_static_blob(int index, std::string_view bytes) {
  check_bind(sqlite3_bind_blob64(statement_, index, data_of(bytes), bytes.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_null(int index) {
  check_bind(sqlite3_bind_null(statement_, index));
  return *this;
}

Result<bool> Statement::step() {
  const int rc = sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = make_sqlite_error(db_, rc, sqlite3_sql(statement_));
  reset();
  return error;
}

Result<void> Statement::run() {
  for (;;) {
    auto row = step();
    if (!row) return row.error();
    if (!*row) return {};
  }
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

struct Database::Connection {
  sqlite3* db = nullptr;
  int wal_frames = 0;

  ~Connection() { sqlite3_close_v2(db); }

  static int on_commit(void* self, sqlite3*, const char*, int frames) {
    static_cast<Connection*>(self)->wal_frames = frames;
    return SQLITE_OK;
  }
};

Database::Database(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& path, OpenOptions options) {
  auto connection = std::make_unique<Connection>();
  const int access =
      options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int rc = sqlite3_open_v2(path.c_str(), &connection->db,
                                 access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, options.vfs);
  if (rc != SQLITE_OK) return make_sqlite_error(connection->db, rc, path);
  sqlite3_busy_timeout(connection->db, static_cast<int>(options.busy_timeout.count()));
  // Also takes the place of SQLite's own checkpoint after every 1,000 pages.
  sqlite3_wal_hook(connection->db, &Connection::on_commit, connection.get());
  if (options.read_only) {
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  return Database(std::move(connection));
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v3(connection_->db, sql.data(), static_cast<int>(sql.size()),
                                    SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (rc != SQLITE_OK) return make_sqlite_error(connection_->db, rc, sql);
  return Statement(connection_->db, statement);
}

Result<void> Database::execute(std::string_view sql) {
  const int rc = sqlite3_exec(connection_->db, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return make_sqlite_error(connection_->db, rc, sql);
  return {};
}

Result<std::int64_t> Database::query_integer(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  const auto row = statement->step();
  if (!row) return row.error();
  if (!*row) {
    return make_error(Code::kNotFound,
                      "the query \"" + shorten(sql, 200) + "\" must yield a row but yields none");
  }
  return statement->integer(0);
}

bool Database::autocommit() const { return sqlite3_get_autocommit(connection_->db) != 0; }

std::int64_t Database::changes() const { return sqlite3_changes64(connection_->db); }

int Database::wal_frames() const { return connection_->wal_frames; }

void Database::interrupt() { sqlite3_interrupt(connection_->db); }

Result<Database::Checkpoint> Database::checkpoint(int mode) {
  int frames = 0;
  int copied = 0;
  const int rc = sqlite3_wal_checkpoint_v2(connection_->db, nullptr, mode, &frames, &copied);
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
    return make_sqlite_error(connection_->db, rc, "checkpoint");
  }
  if (rc == SQLITE_OK && copied == frames) connection_->wal_frames = 0;
  return Checkpoint{rc == SQLITE_BUSY || copied < frames, frames, copied};
}

Result<Database::Checkpoint> Database::checkpoint_passive() {
  return checkpoint(SQLITE_CHECKPOINT_PASSIVE);
}

Result<Database::Checkpoint> Database::checkpoint_truncate() {
  return checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
}

}  // namespace oa::sqlite
