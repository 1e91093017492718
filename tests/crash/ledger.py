"""What clients were told, and whether what is there agrees with it."""

from __future__ import annotations

import collections
import dataclasses
import threading
import typing

# What must be found of a note, as counts.
ONCE, MAYBE, NEVER = {1}, {0, 1}, {0}


@dataclasses.dataclass
class Note:
    """A text that no other note has, sent to one agent."""
    agent: str
    text: str
    counts: set[int] = dataclasses.field(default_factory=lambda: MAYBE)
    lane: str | None = None     # the sender whose order holds
    place: int = 0              # in that order
    sent: float = 0             # when, of those whose caller waits
    answered: float = float("inf")
    envelope: str = ""          # whose outcome must agree
    tick: str = ""              # the tick that it was said to be of


class Ledger:
    """Thread-safety: every method may be called from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self.notes: dict[tuple[str, str], Note] = {}
        self.keys: dict[tuple[str, str], set[str | None]] = {}       # possible values of keys with one writer
        self.tokens: dict[tuple[str, str, str], set[int]] = {}       # (agent, key, token) of keys with many
        self.letters: dict[tuple[str, str], set[int]] = {}           # (agent, envelope) of dead letters
        self.pending: dict[tuple[str, str], set[int]] = {}           # (agent, name) of alarms far away
        self.answers: list[tuple[str, str, dict[str, str], str, typing.Any]] = []  # replayed under their keys
        self.effects: set[str] = set()                               # that must be done
        self.jobs: dict[tuple[str, str], str] = {}                   # (agent, id): the note's text

    def note(self, note: Note) -> Note:
        with self._mutex:
            self.notes[(note.agent, note.text)] = note
            return note

    def set(self, table: dict[typing.Any, typing.Any], key: typing.Any, value: typing.Any) -> None:
        with self._mutex:
            table[key] = value

    def answered(self, method: str, path: str, headers: dict[str, str], body: str, answer: typing.Any) -> None:
        with self._mutex:
            self.answers.append((method, path, headers, body, answer))

    def problems_of_notes(self, agent: str, found: list[str]) -> list[str]:
        """`found`: the agent's notes in order."""
        counts = collections.Counter(found)
        mine = {text: note for (name, text), note in self.notes.items() if name == agent}
        problems = [f"{agent}: {text!r} is there {counts[text]} times, must be {sorted(note.counts)}: {note}"
                    for text, note in mine.items() if counts[text] not in note.counts]
        problems += [f"{agent}: nobody sent {text!r}" for text in counts if text not in mine]
        latest = 0.0
        lanes: dict[str, int] = {}
        for text in found:
            note = mine.get(text)
            if note is None:
                continue
            if note.lane is not None:
                if lanes.get(note.lane, -1) >= note.place:
                    problems.append(f"{agent}: {text!r} of {note.lane} comes after number {lanes[note.lane]}")
                lanes[note.lane] = note.place
            if note.answered < latest:
                problems.append(f"{agent}: {text!r} was answered before the note in front of it was sent")
            latest = max(latest, note.sent)
        return problems
