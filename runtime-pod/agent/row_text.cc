#include "runtime-pod/agent/row_text.h"

#include <charconv>

#include "core/text.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {

void RowWriter::key(std::string_view name) {
  if (out_.back() != '{') out_ += ',';
  out_ += '"';
  out_ += name;
  out_ += "\":";
}

void RowWriter::quoted(std::string_view value) {
  if (!is_utf8(value)) {
    out_ += dump(Json(value));
    return;
  }
  static constexpr char kHex[] = "0123456789abcdef";
  out_ += '"';
  std::size_t plain = 0;  // where what needs no escape begins
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto c = static_cast<unsigned char>(value[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out_ += value.substr(plain, i - plain);
    plain = i + 1;
    if (c >= 0x20) {
      out_ += '\\';
      out_ += value[i];
    } else {
      out_ += "\\u00";
      out_ += kHex[c >> 4];
      out_ += kHex[c & 15];
    }
  }
  out_ += value.substr(plain);
  out_ += '"';
}

void RowWriter::text(std::string_view name, std::string_view value) {
  if (!value.empty()) present_text(name, value);
}

void RowWriter::bytes(std::string_view name, std::string_view value) {
  if (is_utf8(value)) return text(name, value);
  base64(std::string(name) + "Base64", value);
}

void RowWriter::base64(std::string_view name, std::string_view value) {
  key(name);
  out_ += '"';
  out_ += crypto::base64_encode(value);
  out_ += '"';
}

void RowWriter::number(std::string_view name, std::int64_t value, std::int64_t otherwise) {
  if (value != otherwise) present_number(name, value);
}

void RowWriter::present_number(std::string_view name, std::int64_t value) {
  key(name);
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out_.append(digits, end);
}

void RowWriter::flag(std::string_view name, bool value) {
  if (!value) return;
  key(name);
  out_ += "true";
}

void RowWriter::time(std::string_view name, const std::optional<Time>& value) {
  if (value) present_number(name, value->time_since_epoch().count());
}

void RowWriter::json(std::string_view name, const Json& value) {
  if (!value.is_null()) present_json(name, value);
}

void RowWriter::present_json(std::string_view name, const Json& value) {
  key(name);
  out_ += dump(value);
}

void RowWriter::present_text(std::string_view name, std::string_view value) {
  key(name);
  quoted(value);
}

void RowWriter::texts(std::string_view name, const std::vector<std::string>& values) {
  if (values.empty()) return;
  key(name);
  out_ += '[';
  for (const std::string& value : values) {
    if (out_.back() != '[') out_ += ',';
    quoted(value);
  }
  out_ += ']';
}

std::string RowWriter::finish() && {
  out_ += '}';
  return std::move(out_);
}

Error corrupt_row(std::string_view row, std::string_view what) {
  return make_error(Code::kInternal, "Corrupt",
                    "the " + std::string(row) + " row " + std::string(what));
}

Result<Json> parse_row(std::string_view row, std::string_view text) {
  // Deeper than what comes from outside may be, since that is inside of it.
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return corrupt_row(row, "must be a JSON object but is not");
  return json;
}

bool RowReader::has(const char* name) const { return object_.contains(name); }

Json* RowReader::find(const char* name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void RowReader::wrong(std::string_view name, std::string_view must) {
  if (*first_) return;
  *first_ = corrupt_row(row_, "has the field \"" + path_ + std::string(name) + "\", which must " +
                                  std::string(must) + " but is not");
}

void RowReader::text(const char* name, std::string& value) {
  Json* found = find(name);
  if (found == nullptr) return;
  if (!found->is_string()) return wrong(name, "be text");
  value = std::move(found->get_ref<std::string&>());
}

void RowReader::bytes(const char* name, std::string& value) {
  text(name, value);
  base64((std::string(name) + "Base64").c_str(), value);
}

void RowReader::base64(const char* name, std::string& value) {
  std::string encoded;
  text(name, encoded);
  if (encoded.empty()) return;
  auto decoded = crypto::base64_decode(encoded);
  if (!decoded) return wrong(name, "be base64");
  value = std::move(*decoded);
}

void RowReader::number(const char* name, std::int64_t& value) {
  const Json* found = find(name);
  if (found == nullptr) return;
  const bool fits = found->is_number_unsigned()
                        ? found->get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max()
                        : found->is_number_integer();
  if (!fits) return wrong(name, "be a whole number of 64 bits");
  value = found->get<std::int64_t>();
}

void RowReader::number(const char* name, int& value) {
  std::int64_t wide = value;
  number(name, wide);
  if (!std::in_range<int>(wide)) return wrong(name, "be a whole number of 32 bits");
  value = static_cast<int>(wide);
}

void RowReader::flag(const char* name, bool& value) {
  const Json* found = find(name);
  if (found == nullptr) return;
  if (!found->is_boolean()) return wrong(name, "be true or false");
  value = found->get<bool>();
}

void RowReader::time(const char* name, Time& value) {
  std::int64_t count = value.time_since_epoch().count();
  number(name, count);
  value = Time(Duration(count));
}

void RowReader::time(const char* name, std::optional<Time>& value) {
  if (find(name) == nullptr) return;
  time(name, value.emplace());
}

void RowReader::duration(const char* name, Duration& value) {
  std::int64_t count = value.count();
  number(name, count);
  value = Duration(count);
}

void RowReader::json(const char* name, Json& value) {
  if (Json* found = find(name)) value = std::move(*found);
}

void RowReader::texts(const char* name, std::vector<std::string>& values) {
  Json* found = find(name);
  if (found == nullptr) return;
  if (!found->is_array()) return wrong(name, "be an array");
  for (Json& item : *found) {
    if (!item.is_string()) return wrong(name, "be an array of texts");
    values.push_back(std::move(item.get_ref<std::string&>()));
  }
}

}  // namespace oa::runtime
