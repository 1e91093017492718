#include "runtime-pod/http/json_body.h"

#include <utility>

namespace oa::runtime {
namespace {

// More than this is read on a worker, so that other connections need not wait for it.
constexpr std::size_t kReadAtOnceBytes = 64 * 1024;

void read_body(const CallPtr& call, const schema::Field& table,
               const std::function<void(Json)>& then) {
  auto json = parse_json(call->request.body);
  if (!json) return call->fail(json.error());
  auto errors = schema::validate(table, *json, "", schema::Unknown::kRefuse);
  if (!errors.empty()) return call->fail(invalid_fields(std::move(errors)));
  then(schema::with_defaults(table, std::move(*json)));
}

}  // namespace

void with_json_body(const CallPtr& call, const schema::Field& table,
                    std::function<void(Json)> then) {
  if (call->request.body.size() <= kReadAtOnceBytes) return read_body(call, table, then);
  on_worker(call, [call, &table, then = std::move(then)] { read_body(call, table, then); });
}

}  // namespace oa::runtime
