"""Stands in for `kind` and `docker`: clusters are files of a folder, and what was asked for is written down.

How it behaves is said by the file `mood` of that folder: words such as `docker-down`, `create-hangs`, `load-fails`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

CONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def install(folder: Path, monkeypatch: object) -> None:
    """Put both programs on PATH; `folder` is their state."""
    (folder / "clusters").mkdir()
    (folder / "bin").mkdir()
    for name in ("kind", "docker"):
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" "{folder}" {name} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))  # type: ignore[attr-defined]


def main(folder: Path, program: str, words: list[str]) -> int:
    mood = (folder / "mood").read_text().split() if (folder / "mood").exists() else []
    with (folder / "asked").open("a") as asked:
        asked.write(json.dumps([program, *words]) + "\n")
    return _docker(words, mood) if program == "docker" else _kind(folder / "clusters", words, mood)


def _docker(words: list[str], mood: list[str]) -> int:
    if "docker-down" in mood:
        return _fails("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?")
    if words[:2] == ["image", "inspect"] and words[-1] not in mood:
        return _fails(f"Error: No such image: {words[-1]}")
    return 0


def _kind(clusters: Path, words: list[str], mood: list[str]) -> int:
    name = words[words.index("--name") + 1] if "--name" in words else ""
    verb = " ".join(words[:2])
    if verb == "create cluster":
        return _create(clusters, name, words, mood)
    if verb == "delete cluster":
        if "delete-fails" in mood:
            return _fails('ERROR: failed to delete cluster "x": the daemon is not running')
        (clusters / name).unlink(missing_ok=True)
    elif verb == "get clusters":
        sys.stdout.write("\n".join(path.name for path in clusters.iterdir()))
    elif verb == "get kubeconfig":
        sys.stdout.write(CONFIG)
    elif verb == "load docker-image" and "load-fails" in mood:
        return _fails('ERROR: command "docker save" failed\n\nStack Trace:\nmain.main')
    return 0


def _create(clusters: Path, name: str, words: list[str], mood: list[str]) -> int:
    if "create-fails" in mood:
        return _fails(
            "Creating cluster ...\n\nERROR: failed to create cluster: failed to pull image\n\nStack Trace:\nx"
        )
    if "taken" in mood:
        return _fails(f'ERROR: failed to create cluster: node(s) already exist for a cluster with the name "{name}"')
    (clusters / name).touch()
    if "create-hangs" in mood:
        time.sleep(60)
    Path(words[words.index("--kubeconfig") + 1]).write_text(CONFIG)
    return 0


def _fails(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
