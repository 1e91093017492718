#include "libs/kube/request.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "core/json.h"

namespace oa::kube {
namespace {

void add(HttpRequest& request, std::string_view name, std::string_view value) {
  if (!value.empty()) request.query.emplace_back(name, value);
}

HttpRequest read(std::string path) {
  return {"GET", std::move(path), {}, {{"Accept", "application/json"}}, {}, true, nullptr};
}

HttpRequest write(std::string method, std::string path, const char* content_type,
                  const Json& body) {
  return {std::move(method),
          std::move(path),
          {},
          {{"Accept", "application/json"}, {"Content-Type", content_type}},
          dump(body),
          false,
          nullptr};
}

// Metadata is what a key is read from; an object without it yields a path that the server refuses.
ObjectKey key_of(const Json& object) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end()) return {};
  return {metadata->value("namespace", ""), metadata->value("name", "")};
}

HttpRequest select(const Resource& resource, const Selection& selection) {
  HttpRequest request = read(collection_path(resource, selection.ns));
  add(request, "labelSelector", selection.label_selector);
  add(request, "fieldSelector", selection.field_selector);
  return request;
}

void add_write_options(HttpRequest& request, std::string_view field_manager) {
  add(request, "fieldManager", field_manager);
  add(request, "fieldValidation", "Strict");
}

}  // namespace

HttpRequest get_request(const Resource& resource, const ObjectKey& key) {
  return read(object_path(resource, key));
}

HttpRequest list_request(const Resource& resource, const Selection& selection,
                         const ListOptions& options) {
  HttpRequest request = select(resource, selection);
  if (options.limit > 0) add(request, "limit", std::to_string(options.limit));
  if (!options.continue_token.empty()) {
    add(request, "continue", options.continue_token);
  } else {
    add(request, "resourceVersion", options.resource_version);
    add(request, "resourceVersionMatch", options.resource_version_match);
  }
  return request;
}

HttpRequest watch_request(const Resource& resource, const Selection& selection,
                          const WatchOptions& options) {
  HttpRequest request = select(resource, selection);
  add(request, "watch", "true");
  add(request, "allowWatchBookmarks", "true");
  add(request, "resourceVersion", options.resource_version);
  add(request, "timeoutSeconds", std::to_string(options.timeout_seconds));
  return request;
}

HttpRequest apply_request(const Resource& resource, const nlohmann::json& object,
                          const ApplyOptions& options, std::string_view subresource) {
  HttpRequest request = write("PATCH", object_path(resource, key_of(object), subresource),
                              "application/apply-patch+yaml", object);
  request.repeatable = true;
  add_write_options(request, options.field_manager);
  if (options.force) add(request, "force", "true");
  if (options.dry_run) add(request, "dryRun", "All");
  return request;
}

HttpRequest patch_request(const Resource& resource, const ObjectKey& key, PatchType type,
                          const nlohmann::json& patch, std::string_view field_manager,
                          std::string_view subresource) {
  HttpRequest request = write(
      "PATCH", object_path(resource, key, subresource),
      type == PatchType::kMerge ? "application/merge-patch+json" : "application/json-patch+json",
      patch);
  add_write_options(request, field_manager);
  return request;
}

HttpRequest create_request(const Resource& resource, const nlohmann::json& object,
                           std::string_view field_manager) {
  HttpRequest request =
      write("POST", collection_path(resource, key_of(object).ns), "application/json", object);
  add_write_options(request, field_manager);
  return request;
}

HttpRequest replace_request(const Resource& resource, const nlohmann::json& object,
                            std::string_view field_manager, std::string_view subresource) {
  HttpRequest request =
      write("PUT", object_path(resource, key_of(object), subresource), "application/json", object);
  add_write_options(request, field_manager);
  return request;
}

HttpRequest delete_request(const Resource& resource, const ObjectKey& key,
                           const DeleteOptions& options) {
  Json body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
  if (!options.propagation_policy.empty()) body["propagationPolicy"] = options.propagation_policy;
  if (options.grace_period_seconds) body["gracePeriodSeconds"] = *options.grace_period_seconds;
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) {
    body["preconditions"]["resourceVersion"] = options.resource_version;
  }
  HttpRequest request = write("DELETE", object_path(resource, key), "application/json", body);
  request.repeatable = !options.uid.empty();
  return request;
}

}  // namespace oa::kube
