// The verbs: each answers its call exactly once. What they take and give is in http/routes.cc.
//
// Thread-safety: can be called from any thread.
#pragma once

#include <string>

#include "runtime-pod/agent/actor.h"
#include "runtime-pod/http/api.h"
#include "runtime-pod/verbs/messages.h"

namespace oa::runtime {

void run_agent(const CallPtr& call);
void tick_agent(const CallPtr& call);
void post_hibernate(const CallPtr& call);
void post_wake(const CallPtr& call);
void invoke_agent(const CallPtr& call);
void invoke_agent_stream(const CallPtr& call);

void send_to_agent(const CallPtr& call);
void get_envelope(const CallPtr& call);
void delete_envelope(const CallPtr& call);
void get_dead_letters(const CallPtr& call);
void get_dead_letter(const CallPtr& call);
void post_dead_letter_replay(const CallPtr& call);
void delete_one_dead_letter(const CallPtr& call);

void post_webhook(const CallPtr& call);
void post_events(const CallPtr& call);
void shake_hands_for_events(const CallPtr& call);

void get_key(const CallPtr& call);
void put_key(const CallPtr& call);
void delete_key(const CallPtr& call);
void list_keys(const CallPtr& call);

void post_job(const CallPtr& call);
void get_jobs(const CallPtr& call);
void get_job_by_id(const CallPtr& call);
void delete_job(const CallPtr& call);
void get_job_events(const CallPtr& call);

void get_approvals(const CallPtr& call);
void get_approval_by_id(const CallPtr& call);
void post_approval(const CallPtr& call);

void get_alarms(const CallPtr& call);
void post_alarm(const CallPtr& call);
void get_alarm_by_name(const CallPtr& call);
void delete_alarm(const CallPtr& call);

void get_state(const CallPtr& call);
void get_status(const CallPtr& call);
void list_ticks(const CallPtr& call);
void get_stream(const CallPtr& call);
void get_logs(const CallPtr& call);
void open_socket(const CallPtr& call);

void get_export(const CallPtr& call);
void post_import(const CallPtr& call);

void list_audit_records(const CallPtr& call);
void get_audit_head(const CallPtr& call);
void get_audit_key(const CallPtr& call);

void list_agents(const CallPtr& call);
void create_agent(const CallPtr& call);
void get_agent(const CallPtr& call);
void put_agent(const CallPtr& call);
void delete_agent(const CallPtr& call);

void get_health(const CallPtr& call);
void get_ready(const CallPtr& call);
void get_openapi(const CallPtr& call);

// 202 for an envelope that is on disk.
net::Response taken_response(const Call& call, const SendAnswer& answer);

// The answer to a run. Pure.
net::Response run_response(const TickReport& report);

}  // namespace oa::runtime
