// The body of a Kubernetes watch: the same documents come of it however it is cut.
#include "libs/kube/watch_frames.h"

#include <vector>

#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

struct Read {
  kube::WatchFrames frames;
  std::vector<std::string> documents;
  bool failed = false;

  void take(std::string_view bytes) {
    if (failed) return;
    frames.feed(bytes);
    for (;;) {
      const auto document = frames.next();
      failed = !document;
      if (failed || !*document) return;
      fuzz::require((*document)->starts_with('{'), "give whole objects");
      documents.emplace_back(**document);
    }
  }
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  Read whole;
  whole.take(bytes);
  Read cut;
  fuzz::in_pieces(bytes, [&](std::string_view piece) { cut.take(piece); });
  fuzz::require(whole.documents == cut.documents && whole.failed == cut.failed,
                "read the same documents from packets of any size");
  if (!whole.failed) {
    fuzz::require(whole.frames.at_boundary() == cut.frames.at_boundary(),
                  "end in the same way after packets of any size");
  }
  // A text that is one document is found whole.
  if (const auto json = parse_json(bytes); json && json->is_object()) {
    fuzz::require(
        whole.documents.size() == 1 && dump(*parse_json(whole.documents[0])) == dump(*json),
        "find a document where there is one");
  }
  return 0;
}
