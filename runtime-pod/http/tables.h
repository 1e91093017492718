// The tables of routes, one an area, each in a file routes_AREA.cc beside its verbs.
//
// Thread-safety: pure functions.
#pragma once

#include "core/schema.h"
#include "runtime-pod/http/routes.h"

namespace oa::runtime {

RouteTable run_routes();
RouteTable message_routes();
RouteTable invoke_routes();
RouteTable kv_routes();
RouteTable alarm_routes();
RouteTable job_routes();
RouteTable approval_routes();
RouteTable observe_routes();
RouteTable stream_routes();
RouteTable socket_routes();
RouteTable agents_routes();
RouteTable event_routes();
RouteTable audit_routes();
RouteTable transfer_routes();
RouteTable process_routes();

// Bodies.
const schema::Field& alarm_table();
const schema::Field& decision_table();
const schema::Field& job_table();
const schema::Field& invoke_table();

}  // namespace oa::runtime
