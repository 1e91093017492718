#!/usr/bin/env bash
# The fuzz targets of the preset fuzz:
#   run.sh build               builds them
#   run.sh smoke TARGET        runs a built one for 2 s, from its seeds alone and always alike
#   run.sh SECONDS [TARGET...] builds them and runs each for so long; what it learns is kept in
#                              build/fuzz/corpus, and the next run goes on from there
# An input that breaks something is left in build/fuzz/findings: give it to the program to see the
# break again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Reports name functions and lines, with what the compiler's packages have for it.
export ASAN_OPTIONS=allow_addr2line=1 UBSAN_OPTIONS=print_stacktrace=1

build() {
  cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz -j "$(nproc)"
}

# fuzz TARGET SECONDS CORPUS [FLAG...]
fuzz() {
  local target=$1 seconds=$2 corpus=$3
  shift 3
  local dictionary=tests/fuzz/dictionaries/$target.dict
  if [ -e "$dictionary" ]; then
    set -- "$@" "-dict=$dictionary"
  fi
  mkdir -p build/fuzz/findings "$corpus"
  local log=$scratch/$target.log code=0
  "build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=2048 \
    -artifact_prefix="build/fuzz/findings/$target-" -print_final_stats=0 "$@" \
    "$corpus" "tests/fuzz/seeds/$target" >"$log" 2>&1 || code=$?
  if [ "$code" -ne 0 ]; then
    tail -n 100 "$log"
    echo "fuzz: FAILED: build/fuzz/tests/fuzz/fuzz_$target <the file named above>" >&2
  else
    printf '%-16s %s\n' "$target" "$(tail -n 1 "$log")"
  fi
  return "$code"
}

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

case "${1:-}" in
  build) build ;;
  smoke) fuzz "$2" 2 "$scratch/corpus" -seed=1 ;;
  [1-9]*)
    build
    seconds=$1
    shift
    if [ $# -eq 0 ]; then
      mapfile -t all < <(ls tests/fuzz/seeds)
      set -- "${all[@]}"
    fi
    failed=0
    for target in "$@"; do
      fuzz "$target" "$seconds" "build/fuzz/corpus/$target" || failed=1
    done
    exit "$failed"
    ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
