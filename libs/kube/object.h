// A Kubernetes object as a value: its JSON document with typed getters. No generated models; a kind
// is known by what is read from it.
//
// Thread-safety: an Object is immutable; copies share one document and can be read from any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"

namespace oa::kube {

// Names an object of a known resource. `ns` is empty for cluster-scoped objects.
struct ObjectKey {
  std::string ns;
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
};

std::string to_string(
    const ObjectKey& key);  // "default/my-agent", or "my-agent" without a namespace

struct ObjectKeyHash {
  std::size_t operator()(const ObjectKey& key) const noexcept;
};

// The owner reference that has `controller: true`.
struct Controller {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;

  bool operator==(const Controller&) const = default;
};

// An entry of `status.conditions`.
struct Condition {
  std::string type;
  std::string status;  // "True" | "False" | "Unknown"
  std::string reason;
  std::string message;
  std::int64_t observed_generation = 0;
  std::optional<Time> last_transition;

  bool operator==(const Condition&) const = default;
};

class Object {
 public:
  explicit Object(nlohmann::json document);

  const nlohmann::json& json() const { return *document_; }

  // Absent text reads as "" and an absent generation as 0: a document that lacks them (a bookmark,
  // a partial object) is still an object. The views live as long as any copy of this object.
  std::string_view api_version() const { return text("/apiVersion"); }
  std::string_view kind() const { return text("/kind"); }
  std::string_view name() const { return text("/metadata/name"); }
  std::string_view ns() const { return text("/metadata/namespace"); }
  std::string_view uid() const { return text("/metadata/uid"); }
  std::string_view resource_version() const { return text("/metadata/resourceVersion"); }
  std::int64_t generation() const;
  ObjectKey key() const;

  std::optional<std::string_view> label(std::string_view name) const;
  std::optional<std::string_view> annotation(std::string_view name) const;

  std::optional<Controller> controller() const;
  bool deleting() const;  // metadata.deletionTimestamp is set
  std::optional<Time> deletion_time() const;
  std::optional<Time> creation_time() const;

  // The condition of this type; nullopt if there is none.
  std::optional<Condition> condition(std::string_view type) const;

  // By JSON pointer (RFC 6901), e.g. "/spec/replicas" or
  // "/metadata/labels/app.kubernetes.io~1name". Absent or of another type: nullptr, "" and nullopt.
  const nlohmann::json* at(std::string_view pointer) const;
  std::string_view text(std::string_view pointer) const;
  std::optional<std::int64_t> integer(std::string_view pointer) const;
  std::optional<bool> boolean(std::string_view pointer) const;

 private:
  std::shared_ptr<const nlohmann::json> document_;  // never null
};

// Edits a document before it is cached, to keep memory small.
using Projection = std::function<void(nlohmann::json& document)>;

// Removes metadata.managedFields and the annotation
// kubectl.kubernetes.io/last-applied-configuration. The caches do this to every object, before any
// Projection.
void strip_bookkeeping(nlohmann::json& document);

// Keeps apiVersion, kind, metadata (of which labels and annotations whole), and what stands at
// these JSON pointers: `keep_fields({"/spec/replicas", "/status"})`.
Projection keep_fields(std::vector<std::string> pointers);

enum class VersionOrder { kOlder, kSame, kNewer, kUnknown };

// How `a` stands to `b`: "10" is newer than "9". Digit strings of any length without a leading zero
// are ordered (guaranteed by Kubernetes from 1.35, true of all its own resources before); others
// are only same or unknown.
VersionOrder compare_versions(std::string_view a, std::string_view b);

}  // namespace oa::kube
