#include "runtime-pod/http/links.h"

namespace oa::runtime {

std::string agent_link(const Call& call, std::initializer_list<std::string_view> segments) {
  std::string link;
  if (!call.options.agent) {
    link = "/namespaces/" + call.agent.namespace_name + "/agents/" + call.agent.name;
  }
  for (const std::string_view segment : segments) link += '/' + path_segment(segment);
  return link;
}

}  // namespace oa::runtime
