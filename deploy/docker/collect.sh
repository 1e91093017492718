#!/usr/bin/env bash
# collect.sh PROGRAM ROOT: fills ROOT with what an image `FROM scratch` needs to run PROGRAM: the
# program without debug information, the shared libraries that it loads (with the loader), CA
# certificates, time zones, and a user that is not root. The image also runs as any other user.
set -euo pipefail

program="$1"
root="$2"

# ldd names each library as "name => path" and the loader as a bare path; linux-vdso has no path.
libraries="$(ldd "$program")"
if grep -q 'not found' <<<"$libraries"; then
  echo "collect: libraries of $program are missing: $(grep 'not found' <<<"$libraries")" >&2
  exit 1
fi
mkdir -p "$root"
while read -r library; do
  install -D -m 0755 "$library" "$root$library"
done < <(grep -oE '/[^ ]+' <<<"$libraries" | sort -u)

install -D -m 0755 "$program" "$root/usr/local/bin/$(basename "$program")"
strip "$root/usr/local/bin/$(basename "$program")"

install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
# Where OpenSSL looks when it is not told otherwise.
mkdir -p "$root/usr/lib/ssl"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"

mkdir -p "$root/usr/share/zoneinfo"
tar -C /usr/share/zoneinfo --exclude=./posix --exclude=./right -c . | tar -C "$root/usr/share/zoneinfo" -x
if [ ! -e "$root/usr/share/zoneinfo/UTC" ]; then
  echo "collect: /usr/share/zoneinfo must hold the time zones (package tzdata)" >&2
  exit 1
fi

mkdir -p "$root/etc"
cat >"$root/etc/passwd" <<'PASSWD'
root:x:0:0:root:/:/sbin/nologin
nonroot:x:65532:65532:nonroot:/var/lib/openagents:/sbin/nologin
PASSWD
cat >"$root/etc/group" <<'GROUP'
root:x:0:
nonroot:x:65532:
GROUP
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

install -d -m 1777 "$root/tmp"
# Group 0 for platforms that run containers as a random user of that group.
install -d -m 0770 -o 65532 -g 0 "$root/var/lib/openagents"
