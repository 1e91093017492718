// URLs and targets of requests: what was taken is the same when it is written and read, and can
// stand in a request's head as it is.
#include "libs/net/url.h"

#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::string percent_encoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    (out += '%') += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

void check_target(std::string_view text) {
  const auto target = net::parse_target(text);
  if (!fuzz::accepted(target)) return;
  std::string written;
  for (const std::string& segment : target->segments) {
    fuzz::require(is_utf8(segment) && segment.find('\0') == std::string::npos && !segment.empty() &&
                      segment != "." && segment != "..",
                  "refuse segments that lead elsewhere");
    written += "/" + percent_encoded(segment);
  }
  if (written.empty()) written = "/";
  for (std::size_t i = 0; i < target->query.size(); ++i) {
    const auto& [name, value] = target->query[i];
    written += i == 0 ? '?' : '&';
    written += percent_encoded(name) + "=" + percent_encoded(value);
  }
  const auto again = net::parse_target(written);
  fuzz::require(again.ok() && again->segments == target->segments && again->query == target->query,
                "read an encoded target as the same");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_target(text);
  const auto url = net::parse_url(text);
  if (!fuzz::accepted(url)) return 0;
  fuzz::require(net::check_url(*url).ok(), "return only what it would take");
  fuzz::require(is_printable(url->target) && is_printable(net::host_header(*url)),
                "refuse what would break a request's head");
  const auto again = net::parse_url(net::to_string(*url));
  fuzz::require(again.ok() && *again == *url, "read the URLs that it writes");
  return 0;
}
