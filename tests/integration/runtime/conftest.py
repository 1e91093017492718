import pathlib
import typing

import pytest

import runtime


@pytest.fixture(scope="session", autouse=True)
def binary() -> None:
    assert runtime.BINARY, "AGENT_RUNTIME must name the agent-runtime binary"


@pytest.fixture
def start(tmp_path: pathlib.Path) -> typing.Iterator[typing.Callable[..., runtime.Runtime]]:
    """Starts runtimes on tmp_path/data, and ends those that the test leaves."""
    started: list[runtime.Runtime] = []

    def start_one(mode: str = "serve", *arguments: str, data: str = "data", **options: typing.Any) -> runtime.Runtime:
        started.append(runtime.Runtime(mode, tmp_path / data, *arguments, **options))
        return started[-1]

    yield start_one
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def daemon(start: typing.Callable[..., runtime.Runtime]) -> runtime.Runtime:
    """A daemon with one agent, my-agent."""
    one = start()
    assert one.call("POST", "/agents", runtime.manifest()).status == 201
    return one
