#include "libs/kube/resource.h"

namespace oa::kube {

std::string api_version(const Resource& resource) {
  return resource.group.empty() ? std::string(resource.version)
                                : std::string(resource.group) + "/" + std::string(resource.version);
}

std::string collection_path(const Resource& resource, std::string_view ns) {
  std::string path = resource.group.empty() ? "/api/" : "/apis/";
  path += api_version(resource);
  if (resource.namespaced && !ns.empty()) path += "/namespaces/" + std::string(ns);
  return path + "/" + std::string(resource.plural);
}

std::string object_path(const Resource& resource, const ObjectKey& key,
                        std::string_view subresource) {
  std::string path = collection_path(resource, key.ns) + "/" + key.name;
  if (!subresource.empty()) path += "/" + std::string(subresource);
  return path;
}

}  // namespace oa::kube
