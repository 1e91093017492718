#!/usr/bin/env bash
# Installs the packages of cmake/debian-packages.txt that are missing. Without arguments all of
# them, else those that carry one of the given tags: install-packages.sh build test
# Says nothing when nothing is missing.
set -euo pipefail

list="$(dirname "${BASH_SOURCE[0]}")/debian-packages.txt"

wanted=()
while read -r package tags; do
  case "$package" in '' | '#'*) continue ;; esac
  if [ $# -eq 0 ]; then
    wanted+=("$package")
    continue
  fi
  for tag in "$@"; do
    if [[ " $tags " == *" $tag "* ]]; then
      wanted+=("$package")
      break
    fi
  done
done <"$list"
if [ ${#wanted[@]} -eq 0 ]; then
  echo "install-packages: no package in $list has a tag of: $*" >&2
  exit 2
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install-packages: not a Debian system: provide the equivalents of ${wanted[*]} yourself" >&2
  exit 0
fi

states="$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)"
missing=()
for package in "${wanted[@]}"; do
  grep -qxF "$package installed" <<<"$states" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-packages: packages are missing; run as root: apt-get install -y ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
install() {
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >"$log" 2>&1
}

echo "install-packages: installing ${missing[*]}" >&2
# Package lists that are absent or too old make the first try fail; then they are fetched.
if install; then
  exit 0
fi
if "${apt[@]}" update </dev/null >"$log" 2>&1 && install; then
  exit 0
fi
cat "$log" >&2
echo "install-packages: failed; the command was: apt-get install -y ${missing[*]}" >&2
exit 1
