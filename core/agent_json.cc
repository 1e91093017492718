#include "core/agent_json.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "core/text.h"

namespace oa {
namespace {

const char* name_of(InboxOverflow overflow) {
  switch (overflow) {
    case InboxOverflow::kDeadLetter:
      return "DeadLetter";
    case InboxOverflow::kDropOldest:
      return "DropOldest";
    case InboxOverflow::kRejectNew:
      return "RejectNew";
  }
  std::abort();
}

const char* name_of(InboxOrder order) {
  return order == InboxOrder::kStrict ? "Strict" : "Relaxed";
}

const char* name_of(MissedPolicy missed) {
  switch (missed) {
    case MissedPolicy::kFireOnce:
      return "FireOnce";
    case MissedPolicy::kFireAll:
      return "FireAll";
    case MissedPolicy::kSkip:
      return "Skip";
  }
  std::abort();
}

const char* name_of(WebhookScheme scheme) {
  switch (scheme) {
    case WebhookScheme::kGitHub:
      return "GitHub";
    case WebhookScheme::kStripe:
      return "Stripe";
    case WebhookScheme::kSlack:
      return "Slack";
    case WebhookScheme::kStandardWebhooks:
      return "StandardWebhooks";
    case WebhookScheme::kHmacSha256:
      return "HmacSha256";
  }
  std::abort();
}

Json inbox(const InboxConfig& config) {
  return {{"capacity", config.capacity},
          {"overflow", name_of(config.overflow)},
          {"order", name_of(config.order)}};
}

Json retry(const RetryConfig& config) {
  return {{"maxAttempts", config.max_attempts},
          {"maxAge", format_duration(config.max_age)},
          {"firstBackoff", format_duration(config.first_backoff)},
          {"maxBackoff", format_duration(config.max_backoff)}};
}

Json budget(const BudgetConfig& config) {
  Json out = Json::object();
  if (config.ticks_per_day) out["ticksPerDay"] = *config.ticks_per_day;
  if (config.bytes_per_day) out["bytesPerDay"] = *config.bytes_per_day;
  if (config.iterations_per_day) out["iterationsPerDay"] = *config.iterations_per_day;
  return out;
}

Json retention(const RetentionConfig& config) {
  return {{"auditAge", format_duration(config.audit_age)},
          {"auditBytes", config.audit_bytes},
          {"eventAge", format_duration(config.event_age)},
          {"eventBytes", config.event_bytes}};
}

Json secret_ref(const SecretKeyRef& ref) { return {{"name", ref.name}, {"key", ref.key}}; }

Json schedule(const Schedule& schedule) {
  Json out = {{"name", schedule.name},
              {"cron", schedule.cron},
              {"timeZone", schedule.time_zone},
              {"missed", name_of(schedule.missed)}};
  if (!schedule.payload.is_null()) out["payload"] = schedule.payload;
  return out;
}

Json webhook(const WebhookSource& webhook) {
  return {{"source", webhook.source},
          {"scheme", name_of(webhook.scheme)},
          {"secretRef", secret_ref(webhook.secret)},
          {"tolerance", format_duration(webhook.tolerance)}};
}

Json config(const AgentConfig& config, const AgentConfig& defaults) {
  Json out = {{"maxTickDuration", format_duration(config.max_tick_duration)},
              {"maxStorageBytes", config.max_storage_bytes}};
  if (config.max_iterations != defaults.max_iterations)
    out["maxIterations"] = config.max_iterations;
  if (config.inbox != defaults.inbox) out["inbox"] = inbox(config.inbox);
  if (config.retry != defaults.retry) out["retry"] = retry(config.retry);
  if (config.budget != defaults.budget) out["budget"] = budget(config.budget);
  if (config.retention != defaults.retention) out["retention"] = retention(config.retention);
  return out;
}

}  // namespace

Json runtime_spec(const AgentSpec& spec) {
  Json out = {{"config", config(spec.config, default_spec().config)},
              {"lifecycle", {{"drainTimeout", format_duration(spec.drain_timeout)}}}};
  if (const auto* container = std::get_if<ContainerHandler>(&spec.handler)) {
    out["handler"]["container"] = {{"image", container->image}, {"port", container->port}};
  } else if (const auto* http = std::get_if<HttpHandler>(&spec.handler)) {
    out["handler"]["http"] = {{"url", http->url}};
  }
  for (const Schedule& each : spec.schedules) out["schedules"].push_back(schedule(each));
  for (const WebhookSource& each : spec.webhooks) out["webhooks"].push_back(webhook(each));
  if (spec.callback_secret) out["callbacks"]["secretRef"] = secret_ref(*spec.callback_secret);
  return out;
}

}  // namespace oa
