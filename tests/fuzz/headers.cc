// Values of single headers, each read by whoever reads such a one.
#include "libs/net/message.h"
#include "runtime-pod/agent/outbox_request.h"
#include "runtime-pod/http/etag.h"
#include "runtime-pod/http/host_check.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const Time now(std::chrono::seconds(1'800'000'000));
  fuzz::require(runtime::parse_retry_after(text, now) >= Duration(), "not wait until the past");
  fuzz::require(net::media_type(text).size() <= text.size(), "take a media type from its header");
  if (const auto trace = net::trace_id_of(text)) {
    fuzz::require(trace->size() == 32 && text.find(*trace) != std::string_view::npos,
                  "take a trace id from its header");
  }
  const std::string_view first = text.substr(0, text.find('\n'));
  const std::string_view second = text.substr(std::min(first.size() + 1, text.size()));
  if (const auto condition = runtime::read_condition(7, first, second); fuzz::accepted(condition)) {
    if (condition->versions) {
      for (const std::int64_t version : *condition->versions) {
        fuzz::require(text.find(runtime::make_etag(7, version)) != std::string_view::npos,
                      "take versions from the ETags that it makes");
      }
    }
  }
  if (runtime::check_host(first, second, {})) {
    fuzz::require(runtime::check_host(first, {}, {}).ok(), "take no host for its origin's sake");
  }
  return 0;
}
