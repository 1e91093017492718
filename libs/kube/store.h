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
#include <unordered_set>
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
  // Returns what this changed for readers. Objects have gone through Store::projection already.
  std::vector<StoreChange> apply(const WatcherChange& change);

 private:
  friend class Store;
  StoreWriter(Store& store, std::size_t partition) : store_(&store), partition_(partition) {}

  Store* store_;
  std::size_t partition_;
};

class Store {
 public:
  // `projection` (empty: none) says what is kept of each object beside its metadata, which it must
  // keep.
  explicit Store(Projection projection = {});

  // strip_bookkeeping and then the projection: what writers apply to the objects that they put in.
  const Projection& projection() const { return projection_; }

  // Namespaces must not overlap. All writers are made before the first reader.
  StoreWriter writer(std::string ns);

  // True once every writer has completed its first list. Nothing should be decided before.
  bool ready() const;
  bool wait_ready(std::stop_token stop) const;  // false: stopped

  std::optional<Object> get(const ObjectKey& key) const;
  std::vector<Object> list() const;
  std::size_t size() const;

  // `object` is what the server answered to a write of ours: whole, the projection is applied here.
  void on_own_write(const Object& object);

 private:
  friend class StoreWriter;
  using Keys = std::unordered_set<ObjectKey, ObjectKeyHash>;
  struct Partition {
    std::string ns;
    bool listed = false;
    std::string resource_version;  // every change up to here is in `objects_`
    std::vector<Object> incoming;  // of a list under way
  };

  std::vector<StoreChange> change(Partition& partition, const WatcherChange& change);
  std::vector<StoreChange> swap(Partition& partition, const std::string& resource_version);
  std::vector<StoreChange> upsert(Partition& partition, const Object& object);
  std::vector<StoreChange> erase(Partition& partition, const Object& object);
  void progress(Partition& partition, std::string_view resource_version,
                std::vector<StoreChange>& changes);
  Partition* partition_of(std::string_view ns);
  bool all_listed() const;

  const Projection projection_;
  mutable std::shared_mutex mutex_;
  mutable std::condition_variable_any listed_;
  std::vector<Partition> partitions_;
  // Invariant: every key of own_ is in objects_.
  std::unordered_map<ObjectKey, Object, ObjectKeyHash> objects_;
  // Put in by on_own_write and not yet seen by the watch. Once the watch is past an object's
  // version, the object is either confirmed or not part of the selection, and leaves.
  Keys own_;
};

}  // namespace oa::kube
