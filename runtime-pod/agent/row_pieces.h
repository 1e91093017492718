// What several kinds of rows have in them, as members of an object.
//
// Thread-safety: as RowWriter and RowReader.
#pragma once

#include "runtime-pod/agent/row_text.h"
#include "runtime-pod/agent/rows.h"

namespace oa::runtime {

void write(RowWriter& out, const Error& error);
void read(RowReader& in, Error& error);
void write(RowWriter& out, const Trigger& trigger);
void read(RowReader& in, Trigger& trigger);
void write(RowWriter& out, const Reply& reply);
void read(RowReader& in, Reply& reply);
void write(RowWriter& out, const TickReport& report);
void read(RowReader& in, TickReport& report);
void write(RowWriter& out, const EffectRequest& effect);
void read(RowReader& in, EffectRequest& effect);
void write(RowWriter& out, const EffectOutcome& outcome);
void read(RowReader& in, EffectOutcome& outcome);

// A member that is one of these.
template <typename T>
void write_member(RowWriter& out, std::string_view name, const T& value) {
  out.object(name, [&] { write(out, value); });
}
template <typename T>
void write_member(RowWriter& out, std::string_view name, const std::optional<T>& value) {
  if (value) write_member(out, name, *value);
}
template <typename T>
void read_member(RowReader& in, const char* name, T& value) {
  in.object(name, [&](RowReader& inner) { read(inner, value); });
}
template <typename T>
void read_member(RowReader& in, const char* name, std::optional<T>& value) {
  in.object(name, [&](RowReader& inner) { read(inner, value.emplace()); });
}

// The whole row, by the function that reads it.
template <typename Row, typename Read>
Result<Row> decode_row(std::string_view kind, std::string_view text, Read read) {
  auto json = parse_row(kind, text);
  if (!json) return json.error();
  Row row;
  RowReader in(kind, *json);
  read(in, row);
  return in.finish(std::move(row));
}

}  // namespace oa::runtime
