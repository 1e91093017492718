#include "runtime-pod/transfer/export.h"

#include <algorithm>
#include <utility>

#include "runtime-pod/storage/space.h"
#include "runtime-pod/transfer/document.h"

namespace oa::runtime {
namespace {

// Bytes that an archive takes for each byte of rows that count, about: with what does not count.
constexpr std::uint64_t kBytesPerByte = 2;

Result<void> check_room(const std::string& directory, const AgentHead& head) {
  auto space = read_space(directory);
  if (!space) return space.error();
  const auto needed =
      kBytesPerByte * static_cast<std::uint64_t>(std::max<std::int64_t>(head.bytes, 0));
  space->free -= std::min(space->free, needed);
  return check_space(*space);
}

ArchiveManifest manifest_of(const StoredAgent& agent, const std::optional<LogAnchor>& trimmed,
                            const ExportSource& source, Time now) {
  const std::string name = to_string(agent.row.id);
  ArchiveManifest manifest{.exported = now,
                           .runtime = source.runtime,
                           .schema = source.schema,
                           .epoch = source.epoch,
                           .row = agent.row,
                           .head = agent.head,
                           .public_key = crypto::to_pem(source.key.public_key())};
  manifest.audit_head =
      sign_anchor(source.key, name, agent.head.number, agent.head.hash, agent.head.time);
  if (trimmed) {
    manifest.anchor = sign_anchor(source.key, name, trimmed->number, trimmed->hash, trimmed->time);
  }
  return manifest;
}

}  // namespace

Result<Exported> export_agent(Snapshot& snapshot, const AgentId& id, const ExportSource& source,
                              Time now) {
  const auto found = snapshot.find_agent(id);
  if (!found) return found.error();
  if (!*found) return make_error(Code::kNotFound, "agent " + to_string(id) + " does not exist");
  const StoredAgent& agent = **found;
  if (auto room = check_room(source.directory, agent.head); !room) return room.error();
  const auto trimmed = snapshot.find_anchor(agent.row.key);
  if (!trimmed) return trimmed.error();
  auto file = NamelessFile::make(source.directory);
  if (!file) return file.error();

  ArchiveWriter writer(*file, now);
  writer.begin("manifest.json");
  writer.add(to_json(manifest_of(agent, *trimmed, source, now)).dump(1) + "\n");
  if (agent.state) {
    writer.begin("state.json");
    writer.add(*agent.state);
  }
  writer.begin("rows.jsonl");
  auto walked = snapshot.each_item(agent.row.key, [&](ItemKind kind, const Item& item) {
    writer.add(item_line(kind, item));
    return Result<void>();
  });
  if (!walked) return walked.error();
  writer.begin("log.jsonl");
  walked = snapshot.each_record(agent, [&](const LogRecord& record) {
    writer.add(record_line(record));
    return Result<void>();
  });
  if (!walked) return walked.error();
  const auto bytes = writer.finish();
  if (!bytes) return bytes.error();
  return Exported{std::move(*file), *bytes};
}

}  // namespace oa::runtime
