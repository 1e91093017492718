// The tables of routes, one an area, each in a file routes_AREA.cc beside its verbs.
//
// Thread-safety: pure functions.
#pragma once

#include "runtime-pod/http/routes.h"

namespace oa::runtime {

RouteTable run_routes();
RouteTable kv_routes();
RouteTable observe_routes();
RouteTable agents_routes();
RouteTable process_routes();

}  // namespace oa::runtime
