"""The workspace boundary, commands, and the environment that commands see."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.agent.permissions import Permissions, network_use, outside_path, scrub
from dragoman.agent.workspace import OutsideWorkspace, Workspace

pytestmark = pytest.mark.req(162)


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    (tmp_path / "ws" / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("x")
    (tmp_path / "ws" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "ws" / "file-link").symlink_to(tmp_path / "outside" / "secret.txt")
    return Workspace(tmp_path / "ws")


@pytest.mark.parametrize("path", ["a.txt", "sub/b.txt", "./sub/../c.txt", "new/folder/d.txt"])
def test_inside(place: Workspace, path: str) -> None:
    assert place.resolve(path).is_relative_to(place.root)


@pytest.mark.parametrize(
    "path",
    ["../outside/secret.txt", "link/secret.txt", "file-link", "/etc/passwd", "sub/../../outside", "~/x", "", "a\0b"],
)
def test_outside(place: Workspace, path: str) -> None:
    with pytest.raises(OutsideWorkspace):
        place.resolve(path)


def test_the_data_folder_is_closed_also_inside_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    place = Workspace(tmp_path, closed=[tmp_path / "home"])
    with pytest.raises(OutsideWorkspace, match="keys"):
        place.resolve("home/seal.key")


@pytest.mark.parametrize(
    "command",
    [
        "curl http://x", "echo a; wget x", "true && ssh host", "git clone x", "git -C . push", "pip install x", "npx thing", "sudo apt-get install y",
        "FOO=1 curl x", "cat a | nc h 1", "bash -c 'curl x'", "echo $(curl x)", "timeout 5 curl x", "echo > /dev/tcp/1.2.3.4/80", "/usr/bin/curl x",
    ],
)  # fmt: skip
def test_network_commands_are_seen(command: str) -> None:
    assert network_use(command)


@pytest.mark.parametrize(
    "command",
    [
        "ls -la",
        "git status",
        "git commit -m 'curl is fine'",
        "python3 -m pytest",
        "grep -r curl .",
        "npm test",
        "make test",
    ],
)
def test_local_commands_are_not_mistaken(command: str) -> None:
    assert network_use(command) is None


@pytest.mark.parametrize(
    "command",
    [
        "cat /etc/passwd",
        "cat ../outside/secret.txt",
        "echo x > /tmp/y",
        "ls ~",
        "cp a --target=/etc",
        "cat link/secret.txt/../x/../../..",
        "cd .. && ls",
    ],
)
def test_paths_outside_are_seen(place: Workspace, command: str) -> None:
    assert outside_path(command, place)


@pytest.mark.parametrize(
    "command",
    [
        "/bin/ls sub",
        "echo x > sub/y",
        "make 2>/dev/null",
        "cat ./a.txt",
        "echo 'http://example.com/x'",
        "grep -n a//b x",
    ],
)
def test_paths_inside_are_not_mistaken(place: Workspace, command: str) -> None:
    assert outside_path(command, place) is None


def test_modes(place: Workspace) -> None:
    asked: list[str] = []

    def yes(question: str) -> bool:
        asked.append(question)
        return True

    read_only, auto, nobody, ask = (
        Permissions("read-only", place, yes), Permissions("auto", place), Permissions("ask", place), Permissions("ask", place, yes),
    )  # fmt: skip
    assert read_only.path("read", "a").allowed
    assert not read_only.path("write", "a").allowed
    assert not read_only.command("ls").allowed
    assert auto.path("write", "a").allowed
    assert auto.command("ls").allowed
    assert not auto.path("write", "../a").allowed
    assert not auto.command("curl x").allowed
    assert not auto.command("cat /etc/passwd").allowed
    assert not nobody.path("write", "a").allowed
    assert nobody.path("read", "a").allowed
    assert asked == []
    assert ask.path("write", "a").allowed
    assert ask.command("curl x").allowed
    assert len(asked) == 2


def test_the_environment_of_commands_holds_no_keys() -> None:
    dirty = {
        "PATH": "/bin", "HOME": "/h", "MIMO_API_KEY": "sk-1", "GITHUB_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "y", "DB_PASSWORD": "z",
        "INNOCENT": "sk-abcdefghij", "WRAPPED": "https://u:topsecretvalue@h", "DRAGOMAN_HOME": "/d", "SSH_AUTH_SOCK": "/s",
    }  # fmt: skip
    assert scrub(dirty, ["topsecretvalue"]) == {"PATH": "/bin", "HOME": "/h"}


@pytest.mark.parametrize(
    "command",
    ["cat link/secret.txt", "cat file-link", "bash -c 'cat /etc/passwd'", "cat $HOME/.profile", "cat ${HOME}/.profile",
     "echo \"$(cat /etc/passwd)\"", "cat <../outside/secret.txt", "cp a.txt link/new.txt", "cat $OLDPWD/x"],
)  # fmt: skip
def test_links_and_variables_do_not_lead_outside(place: Workspace, command: str) -> None:
    assert outside_path(command, place)


def test_commands_cannot_name_a_closed_file(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text("api_key = 'sk-1'")
    place = Workspace(tmp_path, closed=[tmp_path / "dragoman.toml"])
    assert outside_path("cat dragoman.toml", place) == "dragoman.toml"
    assert outside_path("cat other.toml", place) is None
