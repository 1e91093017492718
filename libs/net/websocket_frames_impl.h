// The frames of a WebSocket (RFC 6455 section 5) as a server reads and writes them.
//
// Thread-safety: pure functions; FrameReader is used by one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace oa::net {

enum class Opcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// A whole message, a control frame, or what is wrong with the frames.
struct FrameEvent {
  enum class Kind { kText, kBinary, kPing, kPong, kClose, kFailure };

  Kind kind = Kind::kFailure;
  std::string data;        // of kClose and kFailure the reason
  std::uint16_t code = 0;  // of kClose, 1005 if it had none; of kFailure the code to close with
};

// Turns the client's bytes into messages and control frames.
class FrameReader {
 public:
  explicit FrameReader(std::size_t message_bytes) : message_bytes_(message_bytes) {}

  // Takes bytes off the front of `input` up to the end of the next event; nothing if `input`, which
  // is then empty, does not complete one. Not to be called again after kFailure.
  std::optional<FrameEvent> next(std::string_view& input);

 private:
  bool take_header(std::string_view& input);
  void take_payload(std::string_view& input);
  std::optional<FrameEvent> finish_frame();
  std::optional<FrameEvent> check_start() const;
  std::optional<FrameEvent> start_payload();
  FrameEvent finish_close();

  bool is_control() const { return (header_[0] & 0x08) != 0; }
  bool is_final() const { return (header_[0] & 0x80) != 0; }
  Opcode opcode() const { return static_cast<Opcode>(header_[0] & 0x0f); }
  std::size_t header_size() const;  // of which the first two bytes are there

  const std::size_t message_bytes_;
  std::array<std::uint8_t, 14> header_{};
  std::size_t header_read_ = 0;
  bool in_payload_ = false;
  std::uint64_t left_ = 0;              // bytes of the payload still to come
  std::size_t mask_index_ = 0;          // in the mask, which is the end of the header
  std::optional<Opcode> message_type_;  // while a message is being read
  std::string message_;
  std::string control_;
};

// Appends an unfragmented, unmasked frame.
void append_frame(std::string& out, Opcode opcode, std::string_view payload);

// Appends a close frame, empty for 1005. A code that may not be sent becomes 1011; the reason is
// cut to what fits.
void append_close_frame(std::string& out, std::uint16_t code, std::string_view reason);

// Whether a close frame may carry this code (RFC 6455 section 7.4 and the IANA registry).
bool is_close_code(std::uint16_t code);

}  // namespace oa::net
