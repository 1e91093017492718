#include "runtime-pod/storage/store.h"

#include <filesystem>
#include <utility>

#include "runtime-pod/storage/schema.h"

namespace oa::runtime {
namespace {

constexpr const char* kFile = "agents.db";

// Before the schema is brought up to date, so that another agent's database is left as it is.
Result<void> check_owner(sqlite::Database& db, const AgentId& only) {
  auto query =
      db.prepare("SELECT namespace, name FROM agent WHERE (namespace, name) <> (?1, ?2) LIMIT 1");
  // A new file has no agents, and what a newer schema has instead of this table is refused there.
  if (!query) return query.error().code == Code::kInternal ? Result<void>() : query.error();
  auto row = query->bind(1, only.namespace_name).bind(2, only.name).step();
  if (!row) return row.error();
  if (!*row) return {};
  const AgentId other{std::string(query->text(0)), std::string(query->text(1))};
  return make_error(
      Code::kConflict, "WrongAgent",
      "the database must be of agent " + to_string(only) + " but is of " + to_string(other));
}

// The new epoch, of a database that is up to date.
Result<std::int64_t> take_over(sqlite::Database& db) {
  if (auto done = prepare_writer(db); !done) return done.error();
  return raise_epoch(db);
}

std::int64_t file_size(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

}  // namespace

std::string database_path(const std::string& directory) { return directory + "/" + kFile; }

Store::Store(const std::string& directory, DirectoryLock lock)
    : path_(database_path(directory)), lock_(std::move(lock)), reserve_(directory) {}

Result<std::unique_ptr<Store>> Store::open(StoreOptions options, WriterHooks hooks,
                                           const Clock& clock, const Pause& pause,
                                           obs::Logger log) {
  if (auto done = make_data_directory(options.directory); !done) return done.error();
  if (!options.allow_network_file_system) {
    if (auto done = check_local_file_system(options.directory); !done) return done.error();
  }
  auto lock = DirectoryLock::acquire(options.directory, options.lock_wait, clock, pause);
  if (!lock) return lock.error();
  std::unique_ptr<Store> store(new Store(options.directory, std::move(*lock)));
  if (auto done = make_private_file(store->path_); !done) return done.error();

  // The lock keeps other runtimes out, but somebody may look into the file with a tool.
  auto db = sqlite::Database::open(
      store->path_, {.busy_timeout = std::chrono::milliseconds(1000), .vfs = options.vfs});
  if (!db) return db.error();
  if (options.only) {
    if (auto done = check_owner(*db, *options.only); !done) return done.error();
  }
  auto epoch = take_over(*db);
  // A full disk must not keep the process from starting, or nothing could be deleted.
  if (!epoch && epoch.error().reason == "StorageFull" && store->reserve_.release()) {
    epoch = take_over(*db);
  }
  if (!epoch) return epoch.error();
  auto reader = Reader::open(store->path_, options.vfs);
  if (!reader) return reader.error();
  store->reader_.emplace(std::move(*reader));
  store->reserve_.make();
  store->epoch_ = *epoch;
  hooks.interrupt_readers = [self = store.get()] { self->reader_->interrupt(); };
  hooks.make_room = [self = store.get()] { return self->reserve_.release(); };
  hooks.take_room_back = [self = store.get()] { self->reserve_.make(); };
  auto writer = Writer::start(std::move(*db), *epoch, std::move(options.seal), options.limits,
                              std::move(hooks), clock, std::move(log));
  if (!writer) return writer.error();
  store->writer_ = std::move(*writer);
  return store;
}

StoreSizes Store::sizes() const { return {file_size(path_), file_size(path_ + "-wal")}; }

void Store::close() { writer_->stop(); }

}  // namespace oa::runtime
