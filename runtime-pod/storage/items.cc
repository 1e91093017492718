// The rows of a change: what must hold for them, and how they are written.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/changes_sql.h"

namespace oa::runtime {
namespace {

using Sql = ChangeSql;

// What is there before a write.
struct Old {
  std::int64_t number = 0;
  std::int64_t bytes = 0;
};

std::string name_of(const ItemWrite& write) {
  if (write.kind == ItemKind::kKv) return "key \"" + write.key + "\"";
  return "row \"" + write.key + "\" of kind " + std::to_string(number_of(write.kind));
}

std::optional<Error> broken_condition(const ItemWrite& write, std::int64_t number,
                                      const std::optional<Old>& old) {
  const ItemCondition& condition = write.condition;
  const auto precondition = [&write](const std::string& must) {
    return make_error(Code::kConflict, "PreconditionFailed", name_of(write) + " must " + must);
  };
  if (condition.must_be_absent && old) {
    return precondition("not exist (If-None-Match: *) but does");
  }
  if (condition.any_version && !old) {
    return precondition("exist (If-Match: *) but does not");
  }
  if (condition.versions) {
    const auto& versions = *condition.versions;
    if (!old || std::find(versions.begin(), versions.end(), old->number) == versions.end()) {
      return precondition(std::string("have one of the ETags of If-Match but ") +
                          (old ? "has another" : "does not exist"));
    }
  }
  if (condition.must_exist && !old) {
    return make_error(Code::kNotFound, name_of(write) + " does not exist");
  }
  if (condition.must_advance && old && number <= old->number) {
    return make_error(Code::kConflict, "Duplicate",
                      "the number of " + name_of(write) + " must be above " +
                          std::to_string(old->number) + " but is " + std::to_string(number));
  }
  return std::nullopt;
}

bool has_condition(const ItemCondition& condition) {
  return condition.must_exist || condition.must_be_absent || condition.must_advance ||
         condition.any_version || condition.versions.has_value();
}

}  // namespace

Changes::Refusal Changes::make_plan(const std::vector<ItemWrite>& items, Plan& plan) {
  if (!items.empty()) plan.first = &items.front();
  for (const ItemWrite& write : items) {
    if (auto refusal = plan_item(write, plan)) return refusal;
  }
  return std::nullopt;
}

Changes::Refusal Changes::plan_item(const ItemWrite& write, Plan& plan) {
  if (write.due && write.due->what == Due::Class::kWork && !can_have_work(write.kind)) {
    std::abort();  // the agent's next wake would not be found (I5)
  }
  const bool is_own = write.agent == 0 || write.agent == plan.agent;
  std::int64_t* bytes = &plan.bytes;
  if (!is_own) {
    if (auto refusal = find_target(write.agent, plan, bytes)) return refusal;
  }
  const bool counts = counts_as_storage(write.kind);
  const bool is_first = &write == plan.first;
  if (!counts && !is_first && !has_condition(write.condition)) {
    plan.writes.push_back(&write);
    return std::nullopt;
  }
  std::optional<Old> old;
  {
    Use query(sql_[Sql::kFindItem]);
    query->bind(1, is_own ? plan.agent : write.agent).bind(2, number_of(write.kind));
    auto row = query->bind_static(3, write.key).step();
    if (!row) return failed(row.error());
    if (*row) old = Old{query->integer(0), query->integer(1)};
  }
  if (auto error = broken_condition(write, write.number.value_or(plan.number), old)) {
    if (!write.condition.or_skip) return refused(std::move(*error));
    return std::nullopt;
  }
  const auto key_bytes = static_cast<std::int64_t>(write.key.size());
  if (counts && old) *bytes -= key_bytes + old->bytes;
  if (counts && write.value) *bytes += key_bytes + static_cast<std::int64_t>(write.value->size());
  if (is_first) plan.replaced = old.has_value();
  plan.writes.push_back(&write);
  return std::nullopt;
}

// Where what another agent grows by is counted.
Changes::Refusal Changes::find_target(AgentKey agent, Plan& plan, std::int64_t*& bytes) {
  for (Plan::Other& other : plan.others) {
    if (other.agent != agent) continue;
    bytes = &other.bytes;
    return std::nullopt;
  }
  const auto found = find_row(agent);
  if (!found) return failed(found.error());
  if (!*found) {
    return refused(make_error(Code::kNotFound, "the agent that is written to does not exist"));
  }
  bytes = &plan.others.emplace_back(Plan::Other{agent, 0}).bytes;
  return std::nullopt;
}

Result<void> Changes::carry_out(const Plan& plan, std::vector<DueRow>& due) {
  for (const ItemWrite* write : plan.writes) {
    const AgentKey agent = write->agent == 0 ? plan.agent : write->agent;
    sqlite::Statement& sql = sql_[write->value ? Sql::kPutItem : Sql::kRemoveItem];
    sql.bind(1, agent).bind(2, number_of(write->kind)).bind_static(3, write->key);
    if (write->value) {
      sql.bind(4, write->number.value_or(plan.number));
      if (write->due) sql.bind(5, number_of(write->due->what)).bind(6, micros(write->due->at));
      sql.bind_static(7, write->content_type).bind_static_blob(8, *write->value);
    }
    if (auto done = sql.run(); !done) return done;
    if (write->value && write->due && write->due->what == Due::Class::kWork) {
      due.push_back({write->due->at, agent, write->kind, write->key});
    }
  }
  for (const Plan::Other& other : plan.others) {
    if (other.bytes == 0) continue;
    auto done = sql_[Sql::kAddBytes].bind(1, other.agent).bind(2, other.bytes).run();
    if (!done) return done;
  }
  return {};
}

}  // namespace oa::runtime
