// Anchors of trimmed audit logs, as exports carry them: what was taken is the same when it is
// written and read, and nothing passes without the key.
#include "runtime-pod/audit/chain.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::accepted(crypto::parse_public_key(text));
  const auto json = parse_json(text);
  if (!json) return 0;
  const auto anchor = runtime::parse_anchor(*json);
  if (!fuzz::accepted(anchor)) return 0;
  const auto again = runtime::parse_anchor(runtime::to_json(*anchor));
  fuzz::require(again.ok() && *again == *anchor, "read the anchors that it writes");
  fuzz::require(!runtime::ChainVerifier::after("default/a", *anchor, {}).ok(),
                "refuse an anchor that nobody has signed");
  return 0;
}
