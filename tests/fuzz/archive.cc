// Exports of agents, of which each line can come from anybody: what was taken is the same when it
// is written and read.
#include "runtime-pod/transfer/archive.h"

#include "runtime-pod/transfer/document.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;
using namespace oa::runtime;

namespace {

constexpr std::int64_t kSchema = 1'000;

void check_row(std::string_view line) {
  const auto row = parse_item_line(line);
  if (!fuzz::accepted(row)) return;
  fuzz::require(row->value.has_value(), "read rows with their values");
  const Item item{.key = row->key,
                  .value = *row->value,
                  .content_type = row->content_type,
                  .number = row->number.value_or(0),
                  .bytes = static_cast<std::int64_t>(row->value->size()),
                  .due = row->due};
  std::string written = item_line(row->kind, item);
  fuzz::require(written.ends_with('\n'), "end the lines that it writes");
  written.pop_back();
  fuzz::require(written.find('\n') == std::string::npos, "write one line for a row");
  const auto again = parse_item_line(written);
  fuzz::require(again.ok() && again->kind == row->kind && again->key == row->key &&
                    again->value == row->value && again->due == row->due,
                "read the rows that it writes");
}

void check_record(std::string_view line) {
  const auto record = parse_record_line(line);
  if (!fuzz::accepted(record)) return;
  std::string written = record_line(*record);
  fuzz::require(written.ends_with('\n'), "end the lines that it writes");
  written.pop_back();
  const auto again = parse_record_line(written);
  fuzz::require(again.ok() && again->kind == record->kind && again->tick == record->tick &&
                    again->time == record->time && again->text == record->text &&
                    again->hash == record->hash,
                "read the records that it writes");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::accepted(read_archive(text));
  check_row(text);
  check_record(text);
  if (const auto manifest = parse_archive_manifest(text, kSchema); fuzz::accepted(manifest)) {
    const std::string written = to_json(*manifest).dump();
    const auto again = parse_archive_manifest(written, kSchema);
    fuzz::require(again.ok() && to_json(*again).dump() == written,
                  "read the manifest that it writes");
  }
  return 0;
}
