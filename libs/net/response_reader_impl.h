// Turns the bytes of a connection into one final answer, within limits, piece by piece.
//
// Beast's parser does the grammar of heads; the framing of bodies is done here, because Beast 1.74
// wants to see a chunk's end before it hands out its data, which delays a stream.
//
// Thread-safety: none; used by one exchange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "libs/net/message.h"

namespace oa::net {

class ResponseReader {
 public:
  enum class Outcome { kNeedMore, kHead, kBody, kComplete, kRefused };
  enum class Asked { kHeadOnly, kWhole };  // the answer to HEAD has no body, whatever it says

  ResponseReader(Asked asked, std::size_t body_bytes) : asked_(asked), body_bytes_(body_bytes) {}

  // Takes the next step and its bytes off the front of `input`: kHead once, kBody for each piece of
  // the body, then kComplete. What is left after kNeedMore must be the beginning of the next call's
  // input. Answers 1xx are passed over.
  Outcome feed(std::string_view& input);

  // The connection has ended after what was fed: whether that is the end of the answer.
  bool ends_here() const { return state_ == State::kUntilEnd; }

  int status() const { return response_.status; }
  Response& response() { return response_; }         // status and headers after kHead
  std::string_view piece() const { return piece_; }  // after kBody; within the input
  bool keep_alive() const { return keep_alive_; }    // after kComplete
  const Error& refusal() const { return refusal_; }  // after kRefused

 private:
  enum class State { kHead, kLength, kUntilEnd, kChunkSize, kChunk, kChunkEnd, kTrailer, kDone };

  Outcome feed_head(std::string_view& input);
  Outcome begin_body(std::uint64_t length);
  Outcome feed_body(std::string_view& input);
  Outcome feed_chunk_size(std::string_view& input);
  Outcome feed_chunk_end(std::string_view& input);
  Outcome feed_trailer(std::string_view& input);
  Outcome take_line(std::string_view& input, std::string_view& line);
  Outcome malformed(std::string_view why);
  Outcome too_large(std::string_view what, std::size_t limit);

  const Asked asked_;
  const std::size_t body_bytes_;
  State state_ = State::kHead;
  Response response_;
  Error refusal_;
  std::string_view piece_;
  std::size_t searched_ = 0;    // bytes of the input that hold no end of headers
  std::size_t head_bytes_ = 0;  // in heads and trailers so far
  std::size_t taken_ = 0;       // of the body
  std::uint64_t left_ = 0;      // of the body or the chunk
  bool keep_alive_ = false;
};

}  // namespace oa::net
