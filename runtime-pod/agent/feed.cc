#include "runtime-pod/agent/feed.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/json.h"
#include "core/text.h"
#include "runtime-pod/agent/tick.h"

namespace oa::runtime {
namespace {

// What a tick's record says of its beginning; the rest is of its end.
constexpr std::string_view kOfStart[] = {"trigger", "envelopeId", "source", "sender", "traceId"};

bool is_of_start(std::string_view name) {
  return std::find(std::begin(kOfStart), std::end(kOfStart), name) != std::end(kOfStart);
}

std::optional<OrderedJson> read(const std::string& text) {
  OrderedJson json = OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

// The events of one tick, or of a record that belongs to none.
class Shown {
 public:
  explicit Shown(std::vector<StreamEvent>& events) : events_(events) {}

  void add(EventId id, std::string name, const OrderedJson& data) {
    events_.push_back({id, std::move(name),
                       data.dump(-1, ' ', false, OrderedJson::error_handler_t::replace), false});
  }

  void add_unreadable(const LogRecord& record, std::int64_t index) {
    add({record.id, index}, "unreadable", head_of(record));
  }

  // How many there were.
  std::int64_t add_noted(const LogRecord& record, const OrderedJson* attempt) {
    const auto noted = read(record.text);
    if (!noted || !noted->is_array()) {
      add_unreadable(record, 0);
      return 1;
    }
    std::int64_t index = 0;
    for (const OrderedJson& event : *noted) {
      OrderedJson data = head_of(record);
      if (attempt != nullptr) data["attempt"] = *attempt;
      std::string name = "event";
      if (event.is_object()) {
        for (const auto& [key, value] : event.items()) {
          if (key != "event") {
            data[key] = value;
          } else if (value.is_string()) {
            name = value.get<std::string>();
          }
        }
      }
      add({record.id, index++}, std::move(name), data);
    }
    return index;
  }

  void add_tick(const LogRecord& record, const LogRecord* noted) {
    const auto json = read(record.text);
    if (!json || !json->is_object()) {
      add_unreadable(record, 0);
      if (noted != nullptr) add_noted(*noted, nullptr);
      return;
    }
    OrderedJson start = head_of(record);
    OrderedJson end = start;
    const auto attempt = json->find("attempt");
    if (attempt != json->end()) start["attempt"] = end["attempt"] = *attempt;
    for (const auto& [key, value] : json->items()) {
      if (key != "tickId" && key != "attempt") (is_of_start(key) ? start : end)[key] = value;
    }
    const OrderedJson duration = json->value("durationMs", OrderedJson());
    if (duration.is_number()) {
      const double micros = std::clamp(duration.get<double>() * 1000, 0.0, 1e15);
      start["time"] = format_time_millis(record.time - Duration(static_cast<std::int64_t>(micros)));
    }
    add({record.id, 0}, "tick_start", start);
    EventId last{record.id, 1};
    if (noted != nullptr) {
      last = {noted->id, add_noted(*noted, attempt != json->end() ? &*attempt : nullptr)};
    }
    add(last, "tick_end", end);
  }

 private:
  static OrderedJson head_of(const LogRecord& record) {
    OrderedJson json{{"time", format_time_millis(record.time)}};
    if (record.tick > 0) json["tickId"] = tick_id(record.tick);
    return json;
  }

  std::vector<StreamEvent>& events_;
};

}  // namespace

std::string to_string(const EventId& id) {
  return std::to_string(id.row) + "-" + std::to_string(id.index);
}

Result<EventId> parse_event_id(std::string_view text) {
  EventId id;
  const char* const end = text.data() + text.size();
  const auto row = std::from_chars(text.data(), end, id.row);
  if (row.ec == std::errc() && row.ptr != end && *row.ptr == '-') {
    const auto index = std::from_chars(row.ptr + 1, end, id.index);
    if (index.ec == std::errc() && index.ptr == end && id.row >= 0 && id.index >= 0 &&
        to_string(id) == text) {
      return id;
    }
  }
  return make_error(Code::kInvalidRequest, "the event id \"" + shorten(text, 64) +
                                               "\" must be one that this agent's stream has shown");
}

std::vector<StreamEvent> events_of(std::span<const LogRecord> records) {
  std::vector<StreamEvent> events;
  Shown shown(events);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const LogRecord& record = records[i];
    if (record.kind == LogKind::kEvent) {
      shown.add_noted(record, nullptr);
      continue;
    }
    const bool has_noted = i + 1 < records.size() && records[i + 1].kind == LogKind::kEvent &&
                           records[i + 1].id == record.id + 1 && records[i + 1].tick == record.tick;
    shown.add_tick(record, has_noted ? &records[++i] : nullptr);
  }
  return events;
}

std::int64_t record_before(const EventId& id) { return std::max<std::int64_t>(id.row - 2, 0); }

struct Watchers::Subscription::Entry {
  std::weak_ptr<Table> table;
  AgentKey agent = 0;
  Watcher watcher;
  // Held while the watcher runs, so that the end of a subscription waits for it; recursive, since
  // that may be within.
  std::recursive_mutex mutex;
  bool over = false;  // by mutex
};

struct Watchers::Table {
  std::atomic<std::size_t> count{0};  // of entries
  std::mutex mutex;
  std::unordered_map<AgentKey, std::vector<std::shared_ptr<Subscription::Entry>>> entries;
};

Watchers::Watchers() : table_(std::make_shared<Table>()) {}

Watchers::Subscription& Watchers::Subscription::operator=(Subscription&& other) noexcept {
  std::swap(entry_, other.entry_);
  return *this;
}

Watchers::Subscription::~Subscription() {
  if (!entry_) return;
  if (const auto table = entry_->table.lock()) {
    const std::lock_guard lock(table->mutex);
    const auto found = table->entries.find(entry_->agent);
    std::erase(found->second, entry_);
    if (found->second.empty()) table->entries.erase(found);
    --table->count;
  }
  const std::lock_guard lock(entry_->mutex);
  entry_->over = true;
}

Watchers::Subscription Watchers::subscribe(AgentKey agent, Watcher watcher) {
  auto entry = std::make_shared<Subscription::Entry>();
  entry->table = table_;
  entry->agent = agent;
  entry->watcher = std::move(watcher);
  Subscription subscription;
  subscription.entry_ = entry;
  const std::lock_guard lock(table_->mutex);
  table_->entries[agent].push_back(std::move(entry));
  ++table_->count;
  return subscription;
}

bool Watchers::any(AgentKey agent) const {
  if (table_->count.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(table_->mutex);
  return table_->entries.contains(agent);
}

void Watchers::publish(AgentKey agent, const StreamEvent& event) const {
  if (table_->count.load(std::memory_order_relaxed) == 0) return;
  std::vector<std::shared_ptr<Subscription::Entry>> entries;
  {
    const std::lock_guard lock(table_->mutex);
    const auto found = table_->entries.find(agent);
    if (found == table_->entries.end()) return;
    entries = found->second;
  }
  for (const auto& entry : entries) {
    const std::lock_guard lock(entry->mutex);
    if (!entry->over) entry->watcher(event);
  }
}

}  // namespace oa::runtime
