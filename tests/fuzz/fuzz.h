// What every fuzz target needs: its input as text, invariants, and streams cut into pieces.
//
// Thread-safety: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "core/json.h"
#include "core/result.h"
#include "core/text.h"
#include "libs/net/message.h"

// libFuzzer calls it with every input that it makes up; what aborts in it is a finding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace oa::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// `what` completes "must ...".
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "BROKEN INVARIANT: it must %s\n", what);
  std::abort();
}

// A refusal is an answer like any other: it must be fit to be sent.
template <typename T>
bool accepted(const Result<T>& result) {
  if (result) return true;
  require(!result.error().detail.empty(), "say why it refuses something");
  require(result.error().code != Code::kInternal, "not take bad input for a fault of its own");
  return false;
}

// Cuts `bytes` into pieces, whose sizes follow from the bytes, so that a finding can be repeated.
inline void in_pieces(std::string_view bytes, const std::function<void(std::string_view)>& take) {
  std::size_t state = std::hash<std::string_view>{}(bytes) | 1;
  const std::size_t longest = std::size_t{1} << (state >> 32) % 6;
  while (!bytes.empty()) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::size_t size = std::min((state >> 32) % longest + 1, bytes.size());
    take(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
}

// "Name: value" lines, an empty line, and a body.
inline std::pair<net::Headers, std::string_view> message_of(std::string_view text) {
  net::Headers headers;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty()) break;
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    headers.add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
  }
  return {headers, text};
}

}  // namespace oa::fuzz
