#include "runtime-pod/verbs/logs.h"

#include <limits>
#include <utility>

#include "core/json.h"

namespace oa::runtime {
namespace {

constexpr int kRecordsAtOnce = 100;
constexpr int kMaxRecords = 1000;
// As an index: the whole record is still to be shown.
constexpr std::int64_t kBehindAll = std::numeric_limits<std::int64_t>::max();

}  // namespace

bool is_log_line(const StreamEvent& event, obs::Level least) {
  if (event.name != "log" || event.speculative) return false;
  const Json data = Json::parse(event.data, nullptr, /*allow_exceptions=*/false);
  const auto found = data.is_object() ? data.find("level") : data.end();
  if (found == data.end() || !found->is_string()) return obs::Level::kInfo >= least;
  const auto level = obs::parse_level(found->get_ref<const std::string&>());
  return (level ? *level : obs::Level::kInfo) >= least;
}

Result<LogPage> list_logs(Reader& reader, AgentKey agent, std::int64_t newest,
                          const std::optional<EventId>& before, obs::Level least, int limit) {
  LogPage page;
  std::int64_t from = before ? before->row : newest;
  for (int read = 0; from != 0; read += kRecordsAtOnce) {
    if (read == kMaxRecords) {
      page.next = EventId{from, kBehindAll};
      return page;
    }
    const auto records = reader.list_log(agent, from, kRecordsAtOnce, LogKind::kEvent);
    if (!records) return records.error();
    for (const LogRecord& record : records->items) {
      std::vector<StreamEvent> events = events_of({&record, 1});
      for (auto event = events.rbegin(); event != events.rend(); ++event) {
        if (before && event->id >= *before) continue;
        if (!is_log_line(*event, least)) continue;
        if (page.lines.size() == static_cast<std::size_t>(limit)) {
          page.next = page.lines.back().id;
          return page;
        }
        page.lines.push_back(std::move(*event));
      }
    }
    from = records->next.value_or(0);
  }
  return page;
}

}  // namespace oa::runtime
