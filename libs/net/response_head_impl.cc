#include "libs/net/response_head_impl.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ostream>  // boost/utility/string_view.hpp needs it

#include <boost/beast/http/status.hpp>

namespace oa::net {
namespace {

constexpr std::string_view kEndOfLine = "\r\n";

bool is_name(std::string_view name) {
  constexpr std::string_view kSeparators = "\"(),/:;<=>?@[\\]{}";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return c > ' ' && c < 0x7f && kSeparators.find(c) == std::string_view::npos;
  });
}

// The framing of an answer and its date are the server's business.
bool is_servers(std::string_view name) {
  return same_name(name, "content-length") || same_name(name, "connection") ||
         same_name(name, "transfer-encoding") || same_name(name, "date");
}

void append_number(std::string& out, std::size_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  const std::size_t start = out.size();
  out.append(value);
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(start), out.end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  out.append(kEndOfLine);
}

// All but the fields that frame the answer.
void append_fields(std::string& out, const Response& response, const HeadOptions& options) {
  for (const auto& [name, value] : response.headers.fields()) {
    if (is_name(name) && !is_servers(name) && !options.always.find(name)) {
      append_field(out, name, value);
    }
  }
  for (const auto& [name, value] : options.always.fields()) append_field(out, name, value);
  out.append("Date: ").append(options.date).append(kEndOfLine);
}

}  // namespace

void append_head(std::string& out, const Response& response, const HeadOptions& options) {
  const auto reason = boost::beast::http::obsolete_reason(
      boost::beast::http::int_to_status(static_cast<unsigned>(response.status)));
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::size_t>(response.status));
  out.append(" ").append(reason.data(), reason.size()).append(kEndOfLine);
  append_fields(out, response, options);
  if (options.framing == Framing::kChunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (options.framing == Framing::kLength && has_body(response.status)) {
    out.append("Content-Length: ");
    append_number(out, response.body.size());
    out.append(kEndOfLine);
  }
  if (!options.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (options.http_1_0) {
    out.append("Connection: keep-alive\r\n");
  }
  if (response.status == 426) out.append("Connection: upgrade\r\n");
  out.append(kEndOfLine);
}

void append_websocket_head(std::string& out, const Response& response, std::string_view accept,
                           const HeadOptions& options) {
  out.append("HTTP/1.1 101 Switching Protocols\r\n");
  append_fields(out, response, options);
  out.append("Upgrade: websocket\r\nConnection: Upgrade\r\n");
  append_field(out, "Sec-WebSocket-Accept", accept);
  if (!response.websocket->protocol.empty()) {
    append_field(out, "Sec-WebSocket-Protocol", response.websocket->protocol);
  }
  out.append(kEndOfLine);
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string http_date(std::time_t time) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  char text[64];  // the names are spelled out here because strftime's depend on the locale
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday],
                utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

}  // namespace oa::net
