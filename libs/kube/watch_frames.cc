#include "libs/kube/watch_frames.h"

namespace oa::kube {
namespace {

// A buffer that has held a document larger than this is given back when it is empty.
constexpr std::size_t kKeptCapacity = 1 << 20;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

void WatchFrames::feed(std::string_view bytes) {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
    if (buffer_.empty() && buffer_.capacity() > kKeptCapacity) buffer_.shrink_to_fit();
  }
  buffer_.append(bytes);
}

Result<std::optional<std::string_view>> WatchFrames::next() {
  if (depth_ == 0) {
    while (begin_ < buffer_.size() && is_space(buffer_[begin_])) ++begin_;
    scanned_ = begin_;
    if (begin_ == buffer_.size()) return std::optional<std::string_view>();
    if (buffer_[begin_] != '{') {
      return make_error(Code::kInvalidRequest, "a watch event must be a JSON object");
    }
  }
  for (; scanned_ < buffer_.size(); ++scanned_) {
    const char c = buffer_[scanned_];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      const std::string_view document(buffer_.data() + begin_, ++scanned_ - begin_);
      begin_ = scanned_;
      return std::optional<std::string_view>(document);
    }
  }
  if (buffer_.size() - begin_ > max_document_) {
    return make_error(Code::kLimitExceeded,
                      "a watch event must be at most " + std::to_string(max_document_) + " bytes");
  }
  return std::optional<std::string_view>();
}

bool WatchFrames::at_boundary() const { return depth_ == 0 && begin_ == buffer_.size(); }

}  // namespace oa::kube
