#include "runtime-pod/transfer/import.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/alarms/schedule.h"
#include "runtime-pod/transfer/archive.h"

namespace oa::runtime {
namespace {

Error damaged(std::string detail) {
  return make_error(Code::kInvalidRequest, "ArchiveDamaged", "the archive " + std::move(detail));
}

// Calls `take` with each line; what it returns ends the walk if it is an error.
template <typename Take>
Result<void> each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return damaged("must end every line");
    if (auto taken = take(text.substr(0, end)); !taken) return taken;
    text.remove_prefix(end + 1);
  }
  return {};
}

Result<void> read_rows(std::string_view text, Archive& archive) {
  return each_line(text, [&archive](std::string_view line) -> Result<void> {
    auto item = parse_item_line(line);
    if (!item) return item.error();
    if (!archive.items.empty()) {
      const ItemWrite& last = archive.items.back();
      if (std::tie(last.kind, last.key) >= std::tie(item->kind, item->key)) {
        return damaged("must have its rows in order of kind and key, each once");
      }
    }
    archive.items.push_back(std::move(*item));
    return {};
  });
}

Result<void> read_log(std::string_view text, Archive& archive) {
  LogVerifier verifier(to_string(archive.manifest.row.id), archive.manifest.anchor, std::nullopt);
  auto read = each_line(text, [&](std::string_view line) -> Result<void> {
    auto record = parse_record_line(line);
    if (!record) return record.error();
    if (record->kind == LogKind::kTick) {
      if (auto added = verifier.add(*record); !added) return added;
    }
    archive.records.push_back(std::move(*record));
    return {};
  });
  if (!read) return read;
  auto log = verifier.finish(archive.manifest.head.number, archive.manifest.head.hash);
  if (!log) return log.error();
  archive.log = std::move(*log);
  return {};
}

Result<void> read_state(std::string_view text, Archive& archive) {
  if (!parse_json(text)) return damaged("has a state that is no JSON");
  archive.state = std::string(text);
  return {};
}

Result<void> read_manifest(std::string_view text, std::int64_t schema, Archive& archive) {
  auto manifest = parse_archive_manifest(text, schema);
  if (!manifest) return manifest.error();
  archive.manifest = std::move(*manifest);
  const std::string name = to_string(archive.manifest.row.id);
  const auto key = crypto::parse_public_key(archive.manifest.public_key);
  if (!key) return damaged("must have the public key of its runtime");
  if (auto good = verify_anchor(*key, name, archive.manifest.audit_head); !good) return good;
  if (archive.manifest.anchor) {
    if (auto good = verify_anchor(*key, name, *archive.manifest.anchor); !good) return good;
  }
  // An older archive may lack fields, and one of a newer operator may have more.
  const auto json = parse_json(archive.manifest.row.manifest);
  if (!json || !json->is_object()) return damaged("must have the agent's manifest");
  auto spec = parse_spec(json->value("spec", Json::object()), schema::Unknown::kIgnore);
  if (!spec) return damaged("must have a good manifest: " + spec.error().detail);
  archive.spec = std::move(*spec);
  if (auto good = check_schedules(archive.spec); !good) return good;
  return {};
}

AgentRestore restore_of(const Archive& archive) {
  return {.row = archive.manifest.row,
          .head = archive.manifest.head,
          .state = archive.state,
          .retention = archive.spec.config.retention,
          .max_storage_bytes = archive.spec.config.max_storage_bytes};
}

// Whether a clone takes the row.
bool is_knowledge(const ItemWrite& item) {
  switch (item.kind) {
    case ItemKind::kKv:
    case ItemKind::kAlarm:
    case ItemKind::kSchedule:
    case ItemKind::kDeadLetter:
      return true;
    case ItemKind::kJob: {
      const auto job = decode_job(*item.value);
      return job && job->finished;
    }
    default:
      return false;
  }
}

std::string manifest_for(const std::string& text, const AgentId& agent) {
  OrderedJson manifest = OrderedJson::parse(text);
  manifest["metadata"]["namespace"] = agent.namespace_name;
  manifest["metadata"]["name"] = agent.name;
  return manifest.dump();
}

std::string origin_record(const ArchiveManifest& manifest, std::int64_t tick) {
  const OrderedJson record{{"tickId", tick_id(tick)},
                           {"trigger", "Manual"},
                           {"envelopeId", ""},
                           {"source", "clone"},
                           {"attempt", 1},
                           {"outcome", "Committed"},
                           {"durationMs", 0},
                           {"origin",
                            {{"agent", to_string(manifest.row.id)},
                             {"uid", manifest.row.uid},
                             {"sequence", manifest.head.number},
                             {"hash", crypto::hex_encode(crypto::bytes_of(manifest.head.hash))},
                             {"exportedAt", format_time_micros(manifest.exported)}}}};
  return record.dump();
}

}  // namespace

Result<Archive> open_archive(std::string_view bytes, std::int64_t schema) {
  const auto members = read_archive(bytes);
  if (!members) return members.error();
  const auto find = [&members](std::string_view name) {
    return std::find_if(members->begin(), members->end(),
                        [name](const ArchiveMember& each) { return each.name == name; });
  };
  for (const char* name : {"manifest.json", "rows.jsonl", "log.jsonl"}) {
    if (find(name) == members->end()) return damaged("must have a " + std::string(name));
  }
  Archive archive;
  auto read = read_manifest(find("manifest.json")->content, schema, archive);
  if (!read) return read.error();
  if (const auto state = find("state.json"); state != members->end()) {
    if (read = read_state(state->content, archive); !read) return read.error();
  }
  if (read = read_rows(find("rows.jsonl")->content, archive); !read) return read.error();
  if (read = read_log(find("log.jsonl")->content, archive); !read) return read.error();
  return archive;
}

Result<AgentRestore> plan_restore(Archive archive, const AgentId& agent) {
  if (archive.manifest.row.id != agent) {
    return make_error(Code::kInvalidRequest,
                      "the archive is of agent " + to_string(archive.manifest.row.id) +
                          " and must be restored under that name, not as " + to_string(agent) +
                          "; mode=clone makes another agent of it");
  }
  AgentRestore restore = restore_of(archive);
  restore.items = std::move(archive.items);
  restore.records = std::move(archive.records);
  if (const auto& anchor = archive.manifest.anchor) {
    restore.anchor = {anchor->sequence, anchor->time, anchor->hash};
  }
  return restore;
}

Result<AgentRestore> plan_clone(Archive archive, const AgentId& agent, std::string uid, Time now) {
  AgentRestore restore = restore_of(archive);
  for (ItemWrite& item : archive.items) {
    if (is_knowledge(item)) restore.items.push_back(std::move(item));
  }
  restore.row.id = agent;
  restore.row.uid = std::move(uid);
  restore.row.created = now;
  restore.row.manifest = manifest_for(archive.manifest.row.manifest, agent);
  // The rows' versions are of commits up to this one, and are not given again.
  ++restore.head.version;
  ++restore.head.tick;
  restore.head.use = {};
  restore.head.time = now;
  restore.record = origin_record(archive.manifest, restore.head.tick);
  return restore;
}

std::vector<ItemWrite> plan_merge(Archive archive) {
  std::vector<ItemWrite> items;
  for (ItemWrite& item : archive.items) {
    if (item.kind != ItemKind::kKv) continue;
    item.number.reset();
    item.due.reset();
    item.condition = {.must_be_absent = true, .or_skip = true};
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace oa::runtime
