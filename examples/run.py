#!/usr/bin/env python3
"""Runs agent-runtime here in the foreground with one example agent (`make run`)."""

from __future__ import annotations

import argparse
import os
import signal
import sys

import daemon

ADMIN = "127.0.0.1:9464"

READY = """
The agent "hello" answers on http://{address}, its data is in {data_dir}. Try:

  curl -d 'remember buy milk' http://{address}/agents/hello/run
  curl -d 'list'              http://{address}/agents/hello/run
  curl http://{address}/agents/hello/state
  curl http://{address}/agents/hello/ticks
  curl --data-binary @examples/my-agent.yaml http://{address}/agents
  curl http://{address}/agents
  curl http://{address}/openapi.json
  curl http://{admin}/metrics

Ctrl-C stops it. What the agent was told is there again after the next `make run`.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--listen", default="127.0.0.1:8080")
    parser.add_argument("--data-dir", required=True)
    options = parser.parse_args()

    for address, hint in ((options.listen, "choose another address with make run LISTEN=127.0.0.1:PORT"),
                          (ADMIN, "the metrics' address")):
        if why := daemon.why_not(address):
            print(f"cannot listen on {address} ({hint}): {why}", file=sys.stderr)
            return 1
    os.makedirs(options.data_dir, mode=0o700, exist_ok=True)

    started = daemon.Daemon(options.runtime, options.listen, ADMIN, options.data_dir)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: started.process.terminate())  # a second time: at once
    if started.wait_ready():
        print(READY.format(address=options.listen, admin=ADMIN, data_dir=options.data_dir), flush=True)
    code = started.process.wait()
    if code == 0:
        print("stopped")
    return code if code >= 0 else 1


if __name__ == "__main__":
    sys.exit(main())
