#include "libs/kube/store.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <nlohmann/json.hpp>

namespace oa::kube {
namespace {

bool newer(std::string_view a, std::string_view b) {
  return compare_versions(a, b) == VersionOrder::kNewer;
}

bool older(const Object& a, const Object& b) {
  return compare_versions(a.resource_version(), b.resource_version()) == VersionOrder::kOlder;
}

Projection with_strip(Projection projection) {
  return [projection = std::move(projection)](nlohmann::json& document) {
    strip_bookkeeping(document);
    if (projection) projection(document);
  };
}

// A new UID under the same name is another object: the old one went first.
void add_change(std::vector<StoreChange>& changes, const ObjectKey& key,
                std::optional<Object> before, std::optional<Object> after, bool initial) {
  if (before && after && before->uid() != after->uid()) {
    changes.push_back({key, std::move(before), std::nullopt, initial});
    before = std::nullopt;
  }
  changes.push_back({key, std::move(before), std::move(after), initial});
}

}  // namespace

std::vector<StoreChange> StoreWriter::apply(const WatcherChange& change) {
  std::unique_lock lock(store_->mutex_);
  std::vector<StoreChange> changes = store_->change(store_->partitions_[partition_], change);
  const bool ready = store_->all_listed();
  lock.unlock();
  if (ready) store_->listed_.notify_all();
  return changes;
}

Store::Store(Projection projection) : projection_(with_strip(std::move(projection))) {}

StoreWriter Store::writer(std::string ns) {
  std::unique_lock lock(mutex_);
  partitions_.push_back({std::move(ns), false, {}, {}});
  return {*this, partitions_.size() - 1};
}

bool Store::all_listed() const {
  return !partitions_.empty() && std::all_of(partitions_.begin(), partitions_.end(),
                                             [](const Partition& p) { return p.listed; });
}

bool Store::ready() const {
  std::shared_lock lock(mutex_);
  return all_listed();
}

bool Store::wait_ready(std::stop_token stop) const {
  std::shared_lock lock(mutex_);
  return listed_.wait(lock, stop, [this] { return all_listed(); });
}

std::optional<Object> Store::get(const ObjectKey& key) const {
  std::shared_lock lock(mutex_);
  const auto it = objects_.find(key);
  return it == objects_.end() ? std::nullopt : std::optional<Object>(it->second);
}

std::vector<Object> Store::list() const {
  std::shared_lock lock(mutex_);
  std::vector<Object> all;
  all.reserve(objects_.size());
  for (const auto& [key, object] : objects_) all.push_back(object);
  return all;
}

std::size_t Store::size() const {
  std::shared_lock lock(mutex_);
  return objects_.size();
}

Store::Partition* Store::partition_of(std::string_view ns) {
  for (Partition& partition : partitions_) {
    if (partition.ns.empty() || partition.ns == ns) return &partition;
  }
  return nullptr;
}

void Store::on_own_write(const Object& object) {
  nlohmann::json document = object.json();
  projection_(document);
  const Object kept{std::move(document)};
  std::unique_lock lock(mutex_);
  const Partition* partition = partition_of(kept.ns());
  if (!partition) return;
  // Every change up to the partition's version has been seen: if the object is not here as we wrote
  // it, somebody has changed or deleted it since.
  const VersionOrder seen = compare_versions(kept.resource_version(), partition->resource_version);
  if (seen == VersionOrder::kOlder || seen == VersionOrder::kSame) return;
  const auto it = objects_.find(kept.key());
  if (it == objects_.end()) {
    objects_.emplace(kept.key(), kept);
  } else if (newer(kept.resource_version(), it->second.resource_version())) {
    it->second = kept;
  } else {
    return;
  }
  own_.insert(kept.key());
}

std::vector<StoreChange> Store::change(Partition& partition, const WatcherChange& change) {
  struct Visitor {
    Store& store;
    Partition& partition;

    std::vector<StoreChange> operator()(const ListBegan&) const {
      partition.incoming.clear();
      return {};
    }
    std::vector<StoreChange> operator()(const ItemsListed& listed) const {
      partition.incoming.insert(partition.incoming.end(), listed.items.begin(), listed.items.end());
      return {};
    }
    std::vector<StoreChange> operator()(const ListCompleted& completed) const {
      return store.swap(partition, completed.resource_version);
    }
    std::vector<StoreChange> operator()(const Upserted& upserted) const {
      return store.upsert(partition, upserted.object);
    }
    std::vector<StoreChange> operator()(const Deleted& deleted) const {
      return store.erase(partition, deleted.object);
    }
    std::vector<StoreChange> operator()(const Progressed& progressed) const {
      std::vector<StoreChange> changes;
      store.progress(partition, progressed.resource_version, changes);
      return changes;
    }
  };
  return std::visit(Visitor{*this, partition}, change);
}

std::vector<StoreChange> Store::swap(Partition& partition, const std::string& resource_version) {
  std::vector<StoreChange> changes;
  Keys listed;
  for (Object& object : std::exchange(partition.incoming, {})) {
    const ObjectKey key = object.key();
    listed.insert(key);
    const auto [it, added] = objects_.try_emplace(key, object);
    if (added) {
      add_change(changes, key, std::nullopt, std::move(object), true);
      continue;
    }
    if (older(object, it->second)) continue;  // a write of ours came after the list
    own_.erase(key);
    const bool same = object.resource_version() == it->second.resource_version() &&
                      object.uid() == it->second.uid();
    if (same) continue;
    add_change(changes, key, it->second, object, true);
    it->second = std::move(object);
  }
  std::erase_if(objects_, [&](const auto& item) {
    const auto& [key, object] = item;
    const bool theirs = !partition.ns.empty() && key.ns != partition.ns;
    const bool written_after =
        own_.contains(key) && newer(object.resource_version(), resource_version);
    if (theirs || listed.contains(key) || written_after) return false;
    own_.erase(key);
    add_change(changes, key, object, std::nullopt, true);
    return true;
  });
  partition.resource_version = resource_version;
  partition.listed = true;
  return changes;
}

std::vector<StoreChange> Store::upsert(Partition& partition, const Object& object) {
  std::vector<StoreChange> changes;
  const ObjectKey key = object.key();
  const auto [it, added] = objects_.try_emplace(key, object);
  if (added) {
    add_change(changes, key, std::nullopt, object, false);
  } else if (!older(object, it->second)) {
    // Also for the event of our own write: readers have the object, but nobody has been told.
    own_.erase(key);
    add_change(changes, key, it->second, object, false);
    it->second = object;
  }
  progress(partition, object.resource_version(), changes);
  return changes;
}

std::vector<StoreChange> Store::erase(Partition& partition, const Object& object) {
  std::vector<StoreChange> changes;
  const auto it = objects_.find(object.key());
  // An older deletion is that of a predecessor of what we have written since.
  if (it != objects_.end() && !older(object, it->second)) {
    changes.push_back({it->first, object, std::nullopt, false});
    own_.erase(it->first);
    objects_.erase(it);
  }
  progress(partition, object.resource_version(), changes);
  return changes;
}

void Store::progress(Partition& partition, std::string_view resource_version,
                     std::vector<StoreChange>& changes) {
  partition.resource_version = resource_version;
  std::erase_if(own_, [&](const ObjectKey& key) {
    if (!partition.ns.empty() && key.ns != partition.ns) return false;
    const auto it = objects_.find(key);
    const VersionOrder order = compare_versions(it->second.resource_version(), resource_version);
    if (order != VersionOrder::kOlder && order != VersionOrder::kSame) return false;
    changes.push_back({key, it->second, std::nullopt, false});
    objects_.erase(it);
    return true;
  });
}

}  // namespace oa::kube
