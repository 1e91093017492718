// A cache of the objects of one resource: filled by reflectors, read by everybody.
//
// A list replaces what was there in one swap, and what is missing from it is reported as deleted.
// The same name with a new UID is a deletion and an addition. A write's own response can be put in
// (`on_own_write`), so that the next reconcile sees it before the watch does; older events never
// undo it, and newer ones, deletions too, always win.
//
// Thread-safety: reads can come from any thread; each StoreWriter belongs to one thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libs/kube/object.h"
#include "libs/kube/watcher.h"

namespace oa::kube {

struct StoreChange {
  ObjectKey key;
  std::optional<Object> before;  // nullopt: added
  std::optional<Object> after;   // nullopt: deleted
  bool initial = false;          // from a list, not from an event: work that can wait
};

class Store;

// Feeds one namespace (or, with an empty name, all of them) of a store.
class StoreWriter {
 public:
  // Returns what this changed for readers.
  std::vector<StoreChange> apply(const WatcherChange& change);

 private:
  friend class Store;
  StoreWriter(Store& store, std::size_t partition) : store_(&store), partition_(partition) {}

  Store* store_;
  std::size_t partition_;
};

class Store {
 public:
  // `projection` edits each document after strip_bookkeeping and before it is kept; it must keep
  // metadata.
  explicit Store(Projection projection = {});

  // Namespaces must not overlap. All writers are made before the first reader.
  StoreWriter writer(std::string ns);

  // True once every writer has completed its first list. Nothing should be decided before.
  bool ready() const;
  bool wait_ready(std::stop_token stop) const;  // false: stopped

  std::optional<Object> get(const ObjectKey& key) const;
  std::vector<Object> list() const;
  std::size_t size() const;

  // `object` is what the server answered to a write of ours.
  void on_own_write(const Object& object);

 private:
  friend class StoreWriter;
  struct Entry {
    Object object;
    // Put in by on_own_write and not yet seen in an event. Once the watch is past its version it is
    // either confirmed or not part of the selection, and leaves.
    bool own = false;
  };
  using Objects = std::unordered_map<ObjectKey, Entry, ObjectKeyHash>;
  struct Partition {
    std::string ns;
    bool listed = false;
    std::string resource_version;  // every change up to here is in `objects_`
    std::vector<Object> incoming;  // of a list under way
  };

  Object projected(const Object& object) const;
  std::vector<StoreChange> swap(Partition& partition, const std::string& resource_version);
  std::vector<StoreChange> upsert(Partition& partition, const Object& object);
  std::vector<StoreChange> erase(Partition& partition, const Object& object);
  std::vector<StoreChange> progress(Partition& partition, const std::string& resource_version);
  Partition* partition_of(std::string_view ns);

  const Projection projection_;
  mutable std::shared_mutex mutex_;
  mutable std::condition_variable_any listed_;
  std::vector<Partition> partitions_;
  Objects objects_;
};

}  // namespace oa::kube
