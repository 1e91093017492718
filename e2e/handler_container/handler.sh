#!/bin/sh
# A handler in nothing but busybox: `nc -ll -p 9000 -e /handler` runs it for each connection. It
# counts what it is told, says what is in its environment, and sets an alarm by the context API.

length=0
while read -r line; do
  line="${line%?}" # the carriage return
  [ -z "$line" ] && break
  case "$line" in [Cc]ontent-[Ll]ength:*) length="${line#*: }" ;; esac
done
document="$(head -c "$length")"

value() { # the first text of that name
  printf '%s' "$document" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# shellcheck disable=SC2154 # MODE and TOKEN are the container's
count="$(printf '%s' "$document" | sed -n 's/.*"count":\([0-9]*\).*/\1/p')"
count=$((${count:-0} + 1))
said="$(value payload)"
if [ "$said" = "remind" ]; then
  wget -q -O /dev/null --header "Authorization: Bearer $(value token)" \
    --post-data '{"name": "reminder", "in": "1s"}' "$(value url)/alarms"
fi

answer="{\"state\": {\"count\": $count}, \"reply\": \"$count $MODE $TOKEN $said\"}"
printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
  "${#answer}" "$answer"
