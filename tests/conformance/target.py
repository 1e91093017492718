"""What the suite runs against: one agent, in the daemon or in a pod's process, as a black box."""

from __future__ import annotations

import json
import pathlib
import typing

import runtime

Json = typing.Any


class Agent:
    """One agent with a spec of its own. Its data outlive its process."""

    def __init__(self, mode: str, folder: pathlib.Path, spec: Json, name: str = "my-agent"):
        self.mode, self.name, self.folder, self.spec = mode, name, folder, spec
        folder.mkdir(parents=True, exist_ok=True)
        self.root = f"/agents/{name}" if mode == "serve" else ""
        self.process: runtime.Runtime | None = None
        self.start()

    @property
    def data(self) -> pathlib.Path:
        return self.folder / "data"

    @property
    def running(self) -> runtime.Runtime:
        assert self.process is not None
        return self.process

    def start(self) -> None:
        manifest = {"apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": self.name}, "spec": self.spec}
        spec_file, manifest_file = self.folder / "spec.json", self.folder / "manifest.json"
        spec_file.write_text(json.dumps(self.spec))
        manifest_file.write_text(json.dumps(manifest))
        if self.mode == "serve":
            self.process = runtime.Runtime("serve", self.data, "--agent", str(manifest_file))
        else:
            self.process = runtime.Runtime("pod", self.data,
                                           env=runtime.pod_env(self.name, AGENT_SPEC_FILE=str(spec_file)))

    def crash(self) -> None:
        """kill -9, and the next process."""
        self.running.kill()
        self.start()

    def change(self, spec: Json) -> None:
        self.spec = spec
        self.crash()

    def close(self) -> None:
        if self.running.process.poll() is None:
            self.running.kill()

    # --- asking

    def call(self, method: str, path: str, body: str | bytes | None = None,
             headers: dict[str, str] | None = None) -> runtime.Answer:
        return self.running.call(method, self.root + path, body, headers)

    def get(self, path: str) -> Json:
        answer = self.call("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def run(self, text: str, headers: dict[str, str] | None = None) -> Json:
        answer = self.call("POST", "/run", text, headers)
        assert answer.status == 200, answer
        return answer.json["output"]

    def send(self, text: str, headers: dict[str, str] | None = None) -> Json:
        answer = self.call("POST", "/send", text, headers)
        assert answer.status == 202, answer
        return answer.json

    def notes(self) -> list[str]:
        return [note["text"] for note in (self.get("/state") or {"notes": []})["notes"]]

    def ticks(self) -> list[Json]:
        """Oldest first."""
        items, cursor = [], ""
        while True:
            page = self.get(f"/ticks?limit=1000{cursor}")
            items += page["items"]
            if "cursor" not in page:
                return items[::-1]
            cursor = f"&cursor={page['cursor']}"

    def ended(self, envelope: str) -> Json:
        """Its outcome, once it is over."""
        def over() -> Json:
            outcome = self.call("GET", f"/envelopes/{envelope}").json
            return outcome if outcome.get("status") not in ("Queued", "Running", None) else None
        return runtime.wait_until(over, f"the end of {envelope}")

    def await_notes(self, count: int) -> list[str]:
        return runtime.wait_until(lambda: (notes := self.notes()) and len(notes) >= count and notes, f"{count} notes")
