#include "libs/net/request_reader_impl.h"

#include <algorithm>
#include <limits>

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

namespace oa::net {
namespace http = boost::beast::http;
namespace {

constexpr std::string_view kEndOfHeaders = "\r\n\r\n";

// "0\r\n\r\n". Beast 1.74 asserts that it sees no less of a last chunk, so it is not shown less;
// every chunked body has at least this much to come.
constexpr std::size_t kShortestChunkedEnd = 5;

// A body's memory grows with the bytes that have come, not with the length that the client
// announced.
constexpr std::uint64_t kReserveAtMost = 4096;

bool is_token_char(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         kOthers.find(c) != std::string_view::npos;
}

// Whether these first bytes can become a request line. Tells, say, a TLS client at once that it
// came to the wrong port, where the end of its headers would be awaited in vain.
bool may_be_request_line(std::string_view input) {
  const std::string_view method = input.substr(0, input.find(' '));
  return std::all_of(method.begin(), method.end(), is_token_char);
}

}  // namespace

RequestReader::RequestReader(std::size_t header_bytes, std::size_t body_bytes)
    : header_bytes_(header_bytes), body_bytes_(body_bytes) {
  Beast::eager(true);
  Beast::header_limit(std::numeric_limits<std::uint32_t>::max());  // counted here, in whole headers
  Beast::body_limit(body_bytes);
}

RequestReader::Outcome RequestReader::feed(std::string_view& input) {
  if (!started_) {
    // RFC 9112 section 2.2: empty lines before a request line are ignored.
    input.remove_prefix(std::min(input.find_first_not_of("\r\n"), input.size()));
    if (input.empty()) return Outcome::kNeedMore;
    started_ = true;
  }
  if (!has_headers_) {
    const Outcome outcome = feed_headers(input);
    if (outcome != Outcome::kNeedMore || !has_headers_) return outcome;
  }
  return feed_body(input);
}

RequestReader::Outcome RequestReader::feed_headers(std::string_view& input) {
  const std::size_t from = searched_ < kEndOfHeaders.size() ? 0 : searched_ - kEndOfHeaders.size();
  const std::size_t end = input.find(kEndOfHeaders, from);
  if (end == std::string_view::npos) {
    if (input.size() >= header_bytes_) return refuse_headers_size();
    if (!may_be_request_line(input)) return refuse(http::error::bad_method);
    searched_ = input.size();
    return Outcome::kNeedMore;
  }
  const std::size_t size = end + kEndOfHeaders.size();
  if (size > header_bytes_) return refuse_headers_size();
  ErrorCode failed;
  Beast::put({input.data(), size}, failed);
  if (failed) return refuse(failed);
  if (!has_headers_) return refuse(http::error::bad_line_ending);
  input.remove_prefix(size);
  return Beast::is_done() ? Outcome::kComplete : Outcome::kNeedMore;
}

RequestReader::Outcome RequestReader::feed_body(std::string_view& input) {
  if (input.empty()) return Outcome::kNeedMore;
  if (Beast::chunked() && input.size() < kShortestChunkedEnd) return Outcome::kNeedMore;
  ErrorCode failed;
  input.remove_prefix(Beast::put({input.data(), input.size()}, failed));
  if (failed && failed != http::error::need_more) return refuse(failed);
  if (Beast::is_done()) return Outcome::kComplete;
  // What the parser leaves is an unfinished chunk header or trailer.
  if (input.size() >= header_bytes_) return refuse_headers_size();
  return Outcome::kNeedMore;
}

bool RequestReader::take_continue() {
  const bool wanted = wants_continue_;
  wants_continue_ = false;
  return wanted;
}

RequestReader::Outcome RequestReader::refuse(Error error) {
  refusal_ = std::move(error);
  return Outcome::kRefused;
}

RequestReader::Outcome RequestReader::refuse_headers_size() {
  return refuse(make_error(
      Code::kInvalidRequest, "HeadersTooLarge",
      "the request line and headers must be at most " + std::to_string(header_bytes_) + " bytes"));
}

RequestReader::Outcome RequestReader::refuse(ErrorCode failed) {
  if (refusal_) return Outcome::kRefused;  // by one of the checks below, which know more
  if (failed == http::error::body_limit) {
    return refuse(
        make_error(Code::kInvalidRequest, "PayloadTooLarge",
                   "the request body must be at most " + std::to_string(body_bytes_) + " bytes"));
  }
  return refuse(make_error(Code::kInvalidRequest, "MalformedRequest",
                           "the request is not valid HTTP/1.1: " + failed.message()));
}

void RequestReader::on_request_impl(http::verb, Text method, Text target, int version, ErrorCode&) {
  request_.method.assign(method.data(), method.size());
  request_.target.assign(target.data(), target.size());
  http_1_0_ = version == 10;
}

void RequestReader::on_field_impl(http::field field, Text name, Text value, ErrorCode& failed) {
  if (has_headers_) return;  // a trailer: no part of the product's protocols has one
  switch (field) {
    case http::field::host:
      ++hosts_;
      break;
    case http::field::transfer_encoding:
      // Any other coding would have to be undone before the body means anything, and HTTP/1.0 knows
      // none.
      if (http_1_0_ || !boost::beast::iequals(value, "chunked")) {
        refuse(make_error(Code::kInvalidRequest, "MalformedRequest",
                          "Transfer-Encoding must be \"chunked\", in HTTP/1.1, or absent"));
        failed = http::error::bad_transfer_encoding;
      }
      break;
    case http::field::expect:
      wants_continue_ = boost::beast::iequals(value, "100-continue");
      break;
    case http::field::sec_websocket_key:
      has_websocket_key_ = true;
      break;
    default:
      break;
  }
  request_.headers.add({name.data(), name.size()}, {value.data(), value.size()});
}

void RequestReader::on_header_impl(ErrorCode& failed) {
  if (hosts_ > 1 || (hosts_ == 0 && !http_1_0_)) {
    refuse(make_error(Code::kInvalidRequest, "MalformedRequest",
                      "the request must have exactly one Host header"));
    failed = http::error::bad_field;
    return;
  }
  if (http_1_0_) wants_continue_ = false;
  has_headers_ = true;
}

void RequestReader::on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode&) {
  request_.body.reserve(std::min(length.value_or(0), kReserveAtMost));
}

std::size_t RequestReader::on_body_impl(Text bytes, ErrorCode&) {
  request_.body.append(bytes.data(), bytes.size());
  return bytes.size();
}

std::size_t RequestReader::on_chunk_body_impl(std::uint64_t, Text bytes, ErrorCode& failed) {
  return on_body_impl(bytes, failed);
}

}  // namespace oa::net
