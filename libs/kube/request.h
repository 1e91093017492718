// Requests to the Kubernetes API as values: what to send, without sending it.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "libs/kube/object.h"
#include "libs/kube/resource.h"
#include "libs/kube/transport.h"

namespace oa::kube {

// Which objects of a resource: those of one namespace (empty: all) that match both selectors.
struct Selection {
  std::string ns;
  std::string label_selector;
  std::string field_selector;

  bool operator==(const Selection&) const = default;
};

struct ListOptions {
  int limit = 0;  // 0: the whole list at once
  std::string continue_token;
  std::string resource_version;        // ignored with a continue token, which fixes it already
  std::string resource_version_match;  // "Exact" | "NotOlderThan" | ""
};

struct WatchOptions {
  std::string resource_version;
  int timeout_seconds = 300;  // after which the server ends the watch
};

// Who applies, and with what authority.
struct ApplyOptions {
  std::string field_manager;
  bool force = true;  // take fields over from other managers; controllers should
  bool dry_run = false;
};

struct DeleteOptions {
  std::string
      propagation_policy;  // "Background" | "Foreground" | "Orphan"; empty: the resource's default
  std::string uid;         // only if the object still has this UID
  std::string resource_version;  // only if it is still this version
  std::optional<std::int64_t> grace_period_seconds;
};

enum class PatchType { kMerge, kJson };

HttpRequest get_request(const Resource& resource, const ObjectKey& key);
HttpRequest list_request(const Resource& resource, const Selection& selection,
                         const ListOptions& options);
HttpRequest watch_request(const Resource& resource, const Selection& selection,
                          const WatchOptions& options);

// Server-side apply of `object` (which needs apiVersion, kind and metadata.name) with
// fieldValidation=Strict. `subresource` "status" applies the status alone.
HttpRequest apply_request(const Resource& resource, const nlohmann::json& object,
                          const ApplyOptions& options, std::string_view subresource = {});

HttpRequest patch_request(const Resource& resource, const ObjectKey& key, PatchType type,
                          const nlohmann::json& patch, std::string_view field_manager,
                          std::string_view subresource = {});
HttpRequest create_request(const Resource& resource, const nlohmann::json& object,
                           std::string_view field_manager);
HttpRequest replace_request(const Resource& resource, const nlohmann::json& object,
                            std::string_view field_manager, std::string_view subresource = {});
HttpRequest delete_request(const Resource& resource, const ObjectKey& key,
                           const DeleteOptions& options);

}  // namespace oa::kube
