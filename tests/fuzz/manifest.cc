// Manifests as users send them: a spec that was taken is the same when it is printed and read.
#include "core/agent.h"
#include "core/agent_json.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto manifest = parse_yaml(fuzz::text_of(data, size));
  if (!fuzz::accepted(manifest)) return 0;
  const auto agent = parse_agent(*manifest);
  if (!fuzz::accepted(agent)) return 0;

  const auto again = parse_agent(Json::parse(to_manifest(*agent).dump()));
  fuzz::require(again.ok(), "take the manifest that it prints");
  fuzz::require(again->id == agent->id && again->spec == agent->spec,
                "read the same from what it prints");

  const Json for_runtime = runtime_spec(agent->spec);
  const auto in_pod = parse_spec(for_runtime, schema::Unknown::kRefuse);
  fuzz::require(in_pod.ok(), "hand a spec to the runtime that the runtime takes");
  fuzz::require(runtime_spec(*in_pod) == for_runtime, "hand the whole spec to the runtime");
  return 0;
}
