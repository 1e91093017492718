#include "libs/net/response_reader_impl.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include "libs/net/response_head_impl.h"

namespace oa::net {
namespace http = boost::beast::http;
namespace {

constexpr std::string_view kEndOfHeaders = "\r\n\r\n";
constexpr std::string_view kVersion = "HTTP/1.";
constexpr std::size_t kHeadBytes = 64 * 1024;
constexpr std::size_t kLineBytes = 4096;  // of a chunk's size with its extensions, or of a trailer

// One whole head. Beast is told to skip the body, so that it stops where the head does.
class HeadParser : private http::basic_parser<false> {
 public:
  using Parser = http::basic_parser<false>;
  using ErrorCode = boost::beast::error_code;
  using Text = boost::beast::string_view;

  explicit HeadParser(Response& response) : response_(response) {
    Parser::header_limit(std::numeric_limits<std::uint32_t>::max());
    Parser::skip(true);
  }

  // Why it is no head; empty if it is.
  std::string parse(std::string_view head) {
    ErrorCode failed;
    const std::size_t used = Parser::put({head.data(), head.size()}, failed);
    if (failed) return refusal_.empty() ? failed.message() : refusal_;
    return used == head.size() && Parser::is_header_done() ? "" : "bad line ending";
  }
  std::optional<std::uint64_t> length() const {
    const auto length = Parser::content_length();
    return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
  }
  bool is_chunked() const { return Parser::chunked(); }
  bool wants_keep_alive() const { return Parser::keep_alive(); }

 private:
  void on_request_impl(http::verb, Text, Text, int, ErrorCode&) override {}
  void on_response_impl(int status, Text, int version, ErrorCode&) override {
    response_.status = status;
    http_1_0_ = version == 10;
  }
  void on_field_impl(http::field field, Text name, Text value, ErrorCode& failed) override {
    if (field == http::field::transfer_encoding &&
        (http_1_0_ || !boost::beast::iequals(value, "chunked"))) {
      refusal_ = "Transfer-Encoding must be \"chunked\", in HTTP/1.1, or absent";
      failed = http::error::bad_transfer_encoding;
    }
    response_.headers.add({name.data(), name.size()}, {value.data(), value.size()});
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(Text, ErrorCode&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text, ErrorCode&) override { return 0; }
  void on_finish_impl(ErrorCode&) override {}

  Response& response_;
  std::string refusal_;
  bool http_1_0_ = false;
};

// "1a" or "1a ; name=value": the size, or nothing.
std::optional<std::uint64_t> chunk_size(std::string_view line) {
  constexpr std::size_t kDigits = 15;  // no overflow
  std::uint64_t size = 0;
  const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  if (failed != std::errc() || end - line.data() > static_cast<std::ptrdiff_t>(kDigits)) {
    return std::nullopt;
  }
  std::string_view rest = line.substr(static_cast<std::size_t>(end - line.data()));
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  if (!rest.empty() && rest.front() != ';') return std::nullopt;
  return size;
}

}  // namespace

ResponseReader::Outcome ResponseReader::feed(std::string_view& input) {
  for (;;) {
    Outcome outcome = Outcome::kComplete;
    const State before = state_;
    switch (state_) {
      case State::kHead:
        outcome = feed_head(input);
        break;
      case State::kLength:
      case State::kUntilEnd:
      case State::kChunk:
        outcome = feed_body(input);
        break;
      case State::kChunkSize:
        outcome = feed_chunk_size(input);
        break;
      case State::kChunkEnd:
        outcome = feed_chunk_end(input);
        break;
      case State::kTrailer:
        outcome = feed_trailer(input);
        break;
      case State::kDone:
        return Outcome::kComplete;
    }
    // A step without a result of its own has led to another state, or wants more bytes.
    if (outcome != Outcome::kNeedMore || state_ == before) return outcome;
  }
}

ResponseReader::Outcome ResponseReader::feed_head(std::string_view& input) {
  for (;;) {
    const std::size_t known = std::min(input.size(), kVersion.size());
    if (input.substr(0, known) != kVersion.substr(0, known)) return malformed("it is not HTTP/1");
    const std::size_t from =
        searched_ < kEndOfHeaders.size() ? 0 : searched_ - kEndOfHeaders.size();
    const std::size_t end = input.find(kEndOfHeaders, from);
    const std::size_t size = end == std::string_view::npos ? input.size() : end + 4;
    if (head_bytes_ + size > kHeadBytes) return too_large("headers", kHeadBytes);
    if (end == std::string_view::npos) {
      searched_ = input.size();
      return Outcome::kNeedMore;
    }
    head_bytes_ += size;
    searched_ = 0;
    response_ = {};
    HeadParser parser(response_);
    const std::string why = parser.parse(input.substr(0, size));
    if (!why.empty()) return malformed(why);
    input.remove_prefix(size);
    if (response_.status < 100 || response_.status == 101 || response_.status > 599) {
      return malformed("its status is " + std::to_string(response_.status));
    }
    if (response_.status < 200) continue;

    const bool bare = asked_ == Asked::kHeadOnly || !has_body(response_.status);
    keep_alive_ = parser.wants_keep_alive();
    if (bare) {
      state_ = State::kDone;
    } else if (parser.is_chunked()) {
      state_ = State::kChunkSize;
    } else if (const auto length = parser.length()) {
      return begin_body(*length);
    } else {
      state_ = State::kUntilEnd;
      keep_alive_ = false;
    }
    return Outcome::kHead;
  }
}

ResponseReader::Outcome ResponseReader::begin_body(std::uint64_t length) {
  if (length > body_bytes_) return too_large("body", body_bytes_);
  left_ = length;
  state_ = length == 0 ? State::kDone : State::kLength;
  return Outcome::kHead;
}

ResponseReader::Outcome ResponseReader::feed_body(std::string_view& input) {
  if (input.empty()) return Outcome::kNeedMore;
  const bool bounded = state_ != State::kUntilEnd;
  const std::size_t size =
      bounded ? static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()))
              : input.size();
  if (size > body_bytes_ - taken_) return too_large("body", body_bytes_);
  taken_ += size;
  piece_ = input.substr(0, size);
  input.remove_prefix(size);
  if (bounded) {
    left_ -= size;
    if (left_ == 0) state_ = state_ == State::kChunk ? State::kChunkEnd : State::kDone;
  }
  return Outcome::kBody;
}

ResponseReader::Outcome ResponseReader::feed_chunk_size(std::string_view& input) {
  std::string_view line;
  if (const Outcome taken = take_line(input, line); taken != Outcome::kComplete) return taken;
  const std::optional<std::uint64_t> size = chunk_size(line);
  if (!size) return malformed("a chunk has no size");
  if (*size > body_bytes_ - taken_) return too_large("body", body_bytes_);
  left_ = *size;
  state_ = *size == 0 ? State::kTrailer : State::kChunk;
  return Outcome::kNeedMore;
}

ResponseReader::Outcome ResponseReader::feed_chunk_end(std::string_view& input) {
  constexpr std::string_view kEndOfLine = "\r\n";
  const std::string_view seen = input.substr(0, kEndOfLine.size());
  if (seen != kEndOfLine.substr(0, seen.size())) return malformed("a chunk is not what it says");
  if (seen.size() < kEndOfLine.size()) return Outcome::kNeedMore;
  input.remove_prefix(kEndOfLine.size());
  state_ = State::kChunkSize;
  return Outcome::kNeedMore;
}

// Trailers are dropped: no part of the product's protocols has one.
ResponseReader::Outcome ResponseReader::feed_trailer(std::string_view& input) {
  std::string_view line = "first";
  while (!line.empty()) {
    if (const Outcome taken = take_line(input, line); taken != Outcome::kComplete) return taken;
  }
  state_ = State::kDone;
  return Outcome::kComplete;
}

// kComplete with a line, without its end.
ResponseReader::Outcome ResponseReader::take_line(std::string_view& input, std::string_view& line) {
  const std::size_t end = input.find('\n');
  const std::size_t size = end == std::string_view::npos ? input.size() : end + 1;
  if (size > kLineBytes) return too_large("chunk header", kLineBytes);
  if (end == std::string_view::npos) return Outcome::kNeedMore;
  if (state_ == State::kTrailer) head_bytes_ += size;
  if (head_bytes_ > kHeadBytes) return too_large("headers and trailers", kHeadBytes);
  if (end == 0 || input[end - 1] != '\r') return malformed("a line of a chunk ends badly");
  line = input.substr(0, end - 1);
  if (line.find('\r') != std::string_view::npos) return malformed("a line of a chunk ends badly");
  input.remove_prefix(size);
  return Outcome::kComplete;
}

ResponseReader::Outcome ResponseReader::malformed(std::string_view why) {
  refusal_ = make_error(Code::kRuntimeError, "MalformedAnswer",
                        "the answer is not valid HTTP/1.1: " + std::string(why));
  return Outcome::kRefused;
}

ResponseReader::Outcome ResponseReader::too_large(std::string_view what, std::size_t limit) {
  refusal_ = make_error(
      Code::kLimitExceeded, "AnswerTooLarge",
      "the answer's " + std::string(what) + " must be at most " + std::to_string(limit) + " bytes");
  return Outcome::kRefused;
}

}  // namespace oa::net
