import typing

import pytest

import runtime
import target


@pytest.fixture(scope="session", autouse=True)
def binary() -> None:
    assert runtime.BINARY, "AGENT_RUNTIME must name the agent-runtime binary"


@pytest.fixture(params=["serve", "pod"])
def make(request, tmp_path) -> typing.Iterator[typing.Callable[..., target.Agent]]:
    """Makes an agent of a spec, each in a process of its own: of the daemon, and of a pod."""
    made: list[target.Agent] = []

    def make_one(**spec: typing.Any) -> target.Agent:
        made.append(target.Agent(request.param, tmp_path / str(len(made)), spec))
        return made[-1]

    yield make_one
    for one in made:
        one.close()
