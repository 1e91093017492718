// What the members of an export say: the manifest, and a line of JSON for each row and record.
//
//   manifest.json  ArchiveManifest
//   state.json     the agent's state, absent where there is none
//   rows.jsonl     its rows, in order of kind and key
//   log.jsonl      its tick and event records, oldest first
//
// Bytes that are no UTF-8 stand in base64, under the member's name and "Base64".
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/audit/chain.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// Raised when an older program could not read an archive right.
inline constexpr std::int64_t kArchiveVersion = 1;

struct ArchiveManifest {
  Time exported;
  std::string runtime;      // the version of the program
  std::int64_t schema = 0;  // of its database
  std::int64_t epoch = 0;
  AgentRow row;    // without `key`
  AgentHead head;  // without ids of records
  std::string public_key;
  Anchor audit_head;  // signed with that key, as the next
  std::optional<Anchor> anchor;
};

OrderedJson to_json(const ArchiveManifest& manifest);
// INVALID_REQUEST, reason ArchiveTooNew, for an archive of a later version, or of a later schema
// than `schema`; reason ArchiveDamaged for anything else that is wrong.
Result<ArchiveManifest> parse_archive_manifest(std::string_view text, std::int64_t schema);

// Ended by a newline.
std::string item_line(ItemKind kind, const Item& item);
std::string record_line(const LogRecord& record);

// INVALID_REQUEST, reason ArchiveDamaged. The row's value can be read, too.
Result<ItemWrite> parse_item_line(std::string_view line);
Result<LogRecord> parse_record_line(std::string_view line);

}  // namespace oa::runtime
