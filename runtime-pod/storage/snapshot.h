// The database as it is at one moment, read from one end to the other by a connection of its own:
// for what must be whole, such as an export, or a look at a database that nobody serves.
//
// Writers go on, but the write-ahead log cannot begin anew until the snapshot is gone: copy what is
// needed to where it is to be looked at, and be done.
//
// Thread-safety: none. Reads the disk, so not on an I/O thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/agent.h"
#include "core/result.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

class Snapshot {
 public:
  // NOT_FOUND if there is no such database.
  static Result<Snapshot> open(const std::string& path, const char* vfs = nullptr);
  Snapshot(Snapshot&&) noexcept;
  ~Snapshot();

  // What `take` returns ends the walk if it is an error, and is then the result.
  using TakeAgent = std::function<Result<void>(const StoredAgent&)>;
  using TakeItem = std::function<Result<void>(ItemKind, const Item&)>;
  using TakeRecord = std::function<Result<void>(const LogRecord&)>;

  Result<std::optional<StoredAgent>> find_agent(const AgentId& id);
  // All of them, in the order in which they were made.
  Result<void> each_agent(const TakeAgent& take);
  // Nothing if nothing was trimmed.
  Result<std::optional<LogAnchor>> find_anchor(AgentKey agent);
  // In order of kind and key.
  Result<void> each_item(AgentKey agent, const TakeItem& take);
  // Tick and event records, oldest first: from the first that is left to the newest.
  Result<void> each_record(const StoredAgent& agent, const TakeRecord& take);

 private:
  struct Connection;
  explicit Snapshot(std::unique_ptr<Connection> connection);

  std::unique_ptr<Connection> connection_;
};

}  // namespace oa::runtime
