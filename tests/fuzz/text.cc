// Times, durations, quantities and encodings: what was read and is written is read as the same.
#include "core/text.h"

#include "libs/crypto/encoding.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

using Decode = Result<std::string> (*)(std::string_view);
using Encode = std::string (*)(std::string_view);

void check_encoding(std::string_view text, Decode decode, Encode encode) {
  const auto bytes = decode(text);
  if (fuzz::accepted(bytes)) {
    fuzz::require(encode(*bytes).size() == text.size(), "decode only whole texts");
    if (decode != crypto::hex_decode) {
      fuzz::require(encode(*bytes) == text, "have one text for one sequence of bytes");
    }
  }
  const auto again = decode(encode(text));
  fuzz::require(again.ok() && *again == text, "decode what it encodes");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto duration = parse_duration(text); fuzz::accepted(duration)) {
    const auto again = parse_duration(format_duration(*duration));
    fuzz::require(again.ok() && *again == *duration, "read the durations that it writes");
  }
  if (const auto time = parse_time(text); fuzz::accepted(time)) {
    // A local time in the first or last hours of the four-digit years is in a year beyond in UTC.
    const std::string written = format_time_micros(*time);
    const auto again = parse_time(written);
    if (written.size() == sizeof "0000-00-00T00:00:00.000000Z" - 1 && written[0] != '-') {
      fuzz::require(again.ok() && *again == *time, "read the times that it writes");
    }
  }
  if (const auto quantity = parse_quantity(text); fuzz::accepted(quantity)) {
    const auto again = parse_quantity(std::to_string(*quantity));
    fuzz::require(again.ok() && *again == *quantity, "read the quantities that it writes");
    if (const auto milli = parse_quantity_milli(text); fuzz::accepted(milli)) {
      fuzz::require(*quantity == *milli / 1000 + (*milli % 1000 != 0 ? 1 : 0),
                    "count the same in thousandths");
    }
  }
  check_encoding(text, crypto::hex_decode, crypto::hex_encode);
  check_encoding(text, crypto::base64_decode, crypto::base64_encode);
  check_encoding(text, crypto::base64url_decode, crypto::base64url_encode);
  fuzz::require(shorten(text, 20).size() <= 20, "keep to the limit of what it shortens");
  if (is_utf8(text)) fuzz::require(is_utf8(shorten(text, 20)), "cut no character in two");
  return 0;
}
