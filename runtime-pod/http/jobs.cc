#include "runtime-pod/verbs/jobs.h"

#include <utility>

#include "core/text.h"
#include "runtime-pod/http/intake.h"
#include "runtime-pod/http/job_stream.h"
#include "runtime-pod/http/json_body.h"
#include "runtime-pod/http/links.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

std::string one_line(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

// What the table has let through.
JobRequest read_job(Json body, Intake intake) {
  JobRequest request{.intake = std::move(intake), .input = std::move(body["input"])};
  if (const auto callback = body.find("callback"); callback != body.end()) {
    request.callback_url = (*callback)["url"].get<std::string>();
    if (const auto secret = callback->find("secretRef"); secret != callback->end()) {
      request.callback_secret =
          (*secret)["name"].get<std::string>() + "/" + (*secret)["key"].get<std::string>();
    }
  }
  if (body.contains("ttl")) request.ttl = parse_duration(body["ttl"].get<std::string>()).value();
  if (body.contains("deadline")) {
    const std::string text = body["deadline"].get<std::string>();
    if (auto within = parse_duration(text)) {
      request.within = *within;
    } else {
      request.deadline = parse_time(text).value();
    }
  }
  return request;
}

void answer_job(const CallPtr& call, const Result<JobRow>& job) {
  if (!job) return call->fail(job.error());
  call->answer(net::json_response(200, one_line(job_document(*job))));
}

}  // namespace

void post_job(const CallPtr& call) {
  with_json_body(call, job_table(), [call](Json body) {
    auto intake = read_intake(*call);
    if (!intake) return call->fail(intake.error());
    JobRequest request = read_job(std::move(body), std::move(*intake));
    with_agent(call, [call, request = std::move(request)](const std::shared_ptr<Actor>&) {
      submit_job(call->services, request, [call](const Result<std::string>& id) {
        if (!id) return call->fail(id.error());
        net::Response response = net::json_response(202, one_line({{"id", *id}}));
        response.headers.add("Location", agent_link(*call, {"jobs", *id}));
        call->answer(std::move(response));
      });
    });
  });
}

void get_jobs(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  with_agent(call, [call, limit = *limit](const std::shared_ptr<Actor>&) {
    const std::string cursor(call->target.query_value("cursor").value_or(""));
    list_jobs(call->services, call->agent, call->target.query_value("status").value_or(""), cursor,
              limit, [call](const Result<JobPage>& page) {
                if (!page) return call->fail(page.error());
                OrderedJson body = {{"items", OrderedJson::array()}};
                for (const JobRow& job : page->items) body["items"].push_back(job_document(job));
                if (page->next) body["cursor"] = *page->next;
                call->answer(net::json_response(200, one_line(body)));
              });
  });
}

void get_job_by_id(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    get_job(call->services, call->agent, call->match.parameter("id"),
            [call](const Result<JobRow>& job) { answer_job(call, job); });
  });
}

void delete_job(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    cancel_job(call->services, call->agent, call->match.parameter("id"),
               [call](const Result<JobRow>& job) { answer_job(call, job); });
  });
}

void get_job_events(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>& actor) {
    get_job(call->services, call->agent, call->match.parameter("id"),
            [call, agent = actor->key()](const Result<JobRow>& job) {
              if (!job) return call->fail(job.error());
              stream_job(call, agent, job->id);
            });
  });
}

}  // namespace oa::runtime
