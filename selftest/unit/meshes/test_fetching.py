"""Nothing is installed but what has a known checksum."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest
import yaml

from smi_conformance.cluster.port import ClusterError
from smi_conformance.meshes import fetching, setup
from smi_conformance.meshes.fetching import InstallError
from smi_conformance.meshes.profile import Profile, load

CONTENT = b"a chart, or so\n"
SUM = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing on standard error."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with one file."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "mesh.yaml").write_bytes(CONTENT)
    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `helm` whose every chart is the same."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "helm"
    put = f"open(sys.argv[-1] + '/' + sys.argv[2] + '.tgz', 'wb').write({CONTENT!r})"
    path.write_text(f"#!{sys.executable}\nimport sys\nassert sys.argv[1] == 'pull'\n{put}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return path


def profile(**sources: dict[str, str]) -> Profile:
    """A profile with these sources."""
    way = {"sources": sources, "steps": [["kubectl", "apply", *(f"{{{name}}}" for name in sources)]]}
    made = {"name": "mine", "title": "Mine", "version": "1", "claims": {}, "installation": way}
    return Profile.model_validate(made)


def chart(**more: str) -> dict[str, str]:
    return {"chart": "mine", "repo": "https://charts.example", "version": "1.0.0", **more}


def test_an_unknown_checksum_is_asked_for() -> None:
    """In one line that says both ways."""
    with pytest.raises(InstallError) as refused:
        setup.known_checksums(profile(chart=chart()), [], None)
    assert str(refused.value) == (
        "mesh mine is not installed: nobody has said the checksum of chart "
        "(chart mine 1.0.0 of https://charts.example): give --checksum chart=sha256:..., "
        "or --lock FILE made by `smi-conformance mesh lock mine`"
    )


def test_a_given_checksum_is_that_of_the_source_that_lacks_one() -> None:
    """The name can be left out where only one does."""
    mine = profile(chart=chart(), other=chart(sha256="0" * 64))
    assert setup.known_checksums(mine, [f"sha256:{SUM}"], None) == {"chart": SUM, "other": "0" * 64}
    assert setup.known_checksums(mine, [f"chart=sha256:{SUM}"], None)["chart"] == SUM


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("sha256:12", "takes .NAME=.sha256: and 64 hexadecimal digits, not 'sha256:12'"),
        (f"chrt=sha256:{SUM}", "of which source of mine is .*chart, other"),
        (f"other=sha256:{SUM}", "the profile has another checksum of other"),
    ],
)
def test_a_bad_checksum_is_refused(word: str, told: str) -> None:
    """And what is known is said."""
    mine = profile(chart=chart(), other=chart(sha256="0" * 64))
    with pytest.raises(InstallError, match=told):
        setup.known_checksums(mine, [word, f"chart=sha256:{SUM}"], None)


def test_charts_and_files_are_fetched_and_compared(tmp_path: Path, site: str, helm: Path) -> None:
    """A chart by helm, a file by its URL, a command from the PATH."""
    mine = profile(chart=chart(), file={"url": f"{site}/mesh.yaml"}, cli={"command": "helm"})
    own = fetching.sha256(helm)
    found = fetching.fetch(mine, tmp_path / "got", {"chart": SUM, "file": SUM, "cli": own})
    assert [(path.name, checksum) for path, checksum in found.values()] == [
        ("mine.tgz", SUM),
        ("mesh.yaml", SUM),
        ("helm", own),
    ]


def test_what_differs_is_not_used(tmp_path: Path, site: str) -> None:
    """With both checksums."""
    mine = profile(file={"url": f"{site}/mesh.yaml"})
    with pytest.raises(InstallError, match=f"has sha256:{SUM}, want sha256:{'0' * 64}: it is not used"):
        fetching.fetch(mine, tmp_path / "got", {"file": "0" * 64})


def test_what_cannot_be_had_is_no_fault_of_the_profile(tmp_path: Path, site: str) -> None:
    """Exit code 3."""
    with pytest.raises(ClusterError, match=r"absent.yaml cannot be had: 404"):
        fetching.fetch(profile(file={"url": f"{site}/absent.yaml"}), tmp_path / "got", None)


def test_a_lock_file_holds_what_came(tmp_path: Path, site: str) -> None:
    """And is enough to install by."""
    mine, path = profile(file={"url": f"{site}/mesh.yaml"}), tmp_path / "mine.lock.yaml"
    assert list(setup.lock(mine, path)) == [f"file: sha256:{SUM}"]
    assert yaml.safe_load(path.read_text()) == {"mesh": "mine", "version": "1", "sources": {"file": f"sha256:{SUM}"}}
    assert setup.known_checksums(mine, [], path) == {"file": SUM}


@pytest.mark.parametrize("text", ["{]", "[]", "mesh: mine", "mesh: mine\nsources: 7"])
def test_no_lock_file(tmp_path: Path, text: str) -> None:
    """Whatever else the file is."""
    path = tmp_path / "lock"
    path.write_text(text)
    with pytest.raises(InstallError, match="is no lock file of a mesh: make one by `mesh lock mine`"):
        fetching.read_lock(profile(chart=chart()), path)


def test_the_lock_file_of_another_mesh(tmp_path: Path) -> None:
    """Both are named."""
    path = tmp_path / "lock"
    path.write_text("mesh: yours\nsources: {}")
    with pytest.raises(InstallError, match="is the lock file of yours, not of mine"):
        fetching.read_lock(profile(chart=chart()), path)


@pytest.mark.parametrize("name", ["app-mesh", "kuma", "gloo-mesh", "none"])
def test_what_has_no_installation_says_why(name: str) -> None:
    """One line."""
    with pytest.raises(InstallError, match=f"mesh {name} is not installed by the suite: "):
        setup.commands(load(name), "deny")
