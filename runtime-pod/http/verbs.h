// The verbs: each answers its call exactly once. What they take and give is in http/routes.cc.
//
// Thread-safety: can be called from any thread.
#pragma once

#include <string>

#include "runtime-pod/agent/actor.h"
#include "runtime-pod/http/api.h"

namespace oa::runtime {

void run_agent(const CallPtr& call);

void get_key(const CallPtr& call);
void put_key(const CallPtr& call);
void delete_key(const CallPtr& call);
void list_keys(const CallPtr& call);

void get_state(const CallPtr& call);
void get_status(const CallPtr& call);
void list_ticks(const CallPtr& call);

void list_agents(const CallPtr& call);
void create_agent(const CallPtr& call);
void get_agent(const CallPtr& call);
void put_agent(const CallPtr& call);
void delete_agent(const CallPtr& call);

void get_health(const CallPtr& call);
void get_ready(const CallPtr& call);
void get_openapi(const CallPtr& call);

// The answer to a run. Pure.
net::Response run_response(const TickReport& report);

}  // namespace oa::runtime
