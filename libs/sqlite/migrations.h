// Schema versions. A database says which schema it has, and the oldest program schema that may
// still open it
// (`min_reader`), so that an older program can open a newer database exactly when that is safe.
//
// Thread-safety: as the Database.
#pragma once

#include <span>
#include <string>

#include "core/result.h"
#include "libs/sqlite/database.h"

namespace oa::sqlite {

struct Migration {
  int schema;      // the version after this step; steps count up by one from 1
  int min_reader;  // the oldest program schema that can work with a database at this version
  const char* sql;
};

struct SchemaVersion {
  int schema = 0;
  int min_reader = 0;
};

// Brings `db` to the last of `migrations`, each step in a transaction of its own. A database that
// is newer is left as it is when its min_reader allows this program, and refused with CONFLICT,
// reason DatabaseTooNew, if not.
Result<SchemaVersion> migrate(Database& db, std::span<const Migration> migrations);

}  // namespace oa::sqlite
