#!/usr/bin/env python3
"""A handler in Python: counts what it is told, remembers the last word, reminds. PORT=9000 by default.

    spec: {handler: {container: {image: python:3, port: 9000, command: [python3, /counter.py]}}}
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def tick(document):
    """One turn: the agent's state and what came in; the new state, and what is to happen."""
    state = document["state"] or {"count": 0}
    envelope = document["trigger"]["envelope"]
    state["count"] += 1
    answer = {"state": state, "reply": f"{state['count']}: {envelope.get('payload')}",
              "kv": [{"put": "last", "value": envelope.get("payload")}]}
    if envelope.get("payload") == "remind me":
        answer["alarms"] = [{"set": {"name": "reminder", "in": "1s", "payload": "the reminder"}}]
    return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(tick(document)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Handler).serve_forever()
