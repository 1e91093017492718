#include "libs/obs/system_clock.h"
#include "operator/app.h"
#include "operator/options.h"

int main(int argc, char** argv) {
  const oa::op::ParsedOptions parsed = oa::op::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  const oa::obs::SystemClock clock;
  return oa::op::run_operator(*parsed.options, clock);
}
