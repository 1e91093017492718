// The one table of the Agent resource: its fields with their descriptions, bounds, defaults and
// rules, its printer columns, and the CustomResourceDefinition made of them. `crds/agent.yaml` is
// printed from here, and the parser (core/agent.h) checks by the same table.
//
// Thread-safety: constants and pure functions.
#pragma once

#include "core/json.h"
#include "core/schema.h"

namespace oa {

// `spec` with everything below it.
const schema::Field& agent_spec_schema();

// `status` with everything below it.
const schema::Field& agent_status_schema();

// The whole CustomResourceDefinition (apiextensions.k8s.io/v1).
OrderedJson agent_crd();

}  // namespace oa
