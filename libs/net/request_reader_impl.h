// Turns the bytes of a connection into one Request, within limits, and says why when it cannot.
//
// Beast's parser does the grammar. This class adds what that parser leaves to its caller: limits
// that hold however the bytes are cut into packets, and the refusals that keep two readers of the
// same bytes from disagreeing on where a request ends (RFC 9112 sections 3.2 and 6.1).
//
// Thread-safety: none; used by one connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

#include "core/error.h"
#include "libs/net/message.h"

namespace oa::net {

class RequestReader : private boost::beast::http::basic_parser<true> {
 public:
  enum class Outcome { kNeedMore, kComplete, kRefused };

  RequestReader(std::size_t header_bytes, std::size_t body_bytes);

  // Takes what belongs to this request off the front of `input`. What is left after kNeedMore must
  // be the beginning of the next call's input.
  Outcome feed(std::string_view& input);

  // Whether a byte of the request has come (line ends before it do not count), and whether its
  // headers are complete.
  bool started() const { return started_; }
  bool has_headers() const { return has_headers_; }

  // True once, when the client waits for `100 Continue` before it sends its body.
  bool take_continue();

  // Of a complete request: whether the client wants the connection to stay open.
  bool keep_alive() const { return basic_parser::keep_alive(); }
  bool is_http_1_0() const { return http_1_0_; }
  // Whether it may be a WebSocket handshake.
  bool has_websocket_key() const { return has_websocket_key_; }

  // What has been read so far; the whole request after kComplete.
  Request& request() { return request_; }

  // After kRefused.
  const Error& refusal() const { return *refusal_; }

 private:
  using Beast = boost::beast::http::basic_parser<true>;
  using ErrorCode = boost::beast::error_code;
  using Text = boost::beast::string_view;

  Outcome feed_headers(std::string_view& input);
  Outcome feed_body(std::string_view& input);
  Outcome refuse(Error error);
  Outcome refuse(ErrorCode failed);
  Outcome refuse_headers_size();

  void on_request_impl(boost::beast::http::verb, Text method, Text target, int version,
                       ErrorCode&) override;
  void on_response_impl(int, Text, int, ErrorCode&) override {}
  void on_field_impl(boost::beast::http::field field, Text name, Text value,
                     ErrorCode& failed) override;
  void on_header_impl(ErrorCode& failed) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode&) override;
  std::size_t on_body_impl(Text bytes, ErrorCode&) override;
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text bytes, ErrorCode& failed) override;
  void on_finish_impl(ErrorCode&) override {}

  const std::size_t header_bytes_;
  const std::size_t body_bytes_;
  Request request_;
  std::optional<Error> refusal_;
  std::size_t searched_ = 0;  // bytes of the input that hold no end of headers
  int hosts_ = 0;
  bool has_websocket_key_ = false;
  bool started_ = false;
  bool has_headers_ = false;
  bool http_1_0_ = false;
  bool wants_continue_ = false;
};

}  // namespace oa::net
