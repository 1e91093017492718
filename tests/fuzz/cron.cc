// Cron expressions: the next fire of what was taken comes, is after the time asked for, and is the
// first one.
#include "core/cron.h"

#include "tests/fuzz/fuzz.h"

using namespace oa;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto cron = parse_cron(text);
  if (!fuzz::accepted(cron)) return 0;
  using std::chrono::days;
  using std::chrono::minutes;
  const LocalMinute start(days(20'000) + minutes(std::hash<std::string_view>{}(text) % 5'000'000));
  const LocalMinute next = cron->next(start);
  fuzz::require(next > start && next < start + days(40 * 366), "fire within 40 years");
  fuzz::require(cron->next(next - minutes(1)) == next, "fire at the time that it gave");
  fuzz::require(cron->next(start + (next - start) / 2 - minutes(1)) <= next, "miss no time");
  return 0;
}
