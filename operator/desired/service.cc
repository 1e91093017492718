#include "operator/desired/service.h"

#include <nlohmann/json.hpp>

#include "core/wire.h"
#include "operator/desired/names.h"

namespace oa::op {

using nlohmann::json;

json build_service(const kube::Object& agent) {
  const std::string name(agent.name());
  return {
      {"apiVersion", "v1"},
      {"kind", "Service"},
      {"metadata", child_metadata(agent)},
      {"spec",
       {{"type", "ClusterIP"},
        {"selector", selector_labels(name)},
        {"ports",
         json::array(
             {{{"name", "http"}, {"port", 80}, {"targetPort", "http"}, {"protocol", "TCP"}},
              {{"name", "grpc"}, {"port", 9090}, {"targetPort", "grpc"}, {"protocol", "TCP"}}})}}}};
}

}  // namespace oa::op
