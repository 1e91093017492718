// Cuts the body of a watch into its JSON documents, one {type, object} each, as the bytes come in.
//
// Documents are split by their own structure, so newlines, CRLF and nothing at all between them are
// alike; a byte is looked at once however the stream is chopped.
//
// Thread-safety: none; belongs to the thread that reads the stream.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace oa::kube {

class WatchFrames {
 public:
  static constexpr std::size_t kMaxDocument = 64 << 20;

  explicit WatchFrames(std::size_t max_document = kMaxDocument) : max_document_(max_document) {}

  void feed(std::string_view bytes);

  // The next whole document; nullopt: more bytes are needed. The view is good until the next call
  // of `feed` or `next`. INVALID_REQUEST for bytes that cannot begin a JSON object, LIMIT_EXCEEDED
  // for a document over the limit; after an error the stream cannot be used any more.
  Result<std::optional<std::string_view>> next();

  // True when no document is cut short: what an orderly end of the stream leaves.
  bool at_boundary() const;

 private:
  std::size_t max_document_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the document being looked for
  std::size_t scanned_ = 0;  // bytes of buffer_ already looked at
  int depth_ = 0;            // open braces and brackets at `scanned_`
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace oa::kube
