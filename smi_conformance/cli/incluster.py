"""`in-cluster`: the suite as a Job in the cluster that it judges."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smi_conformance.cli.problems import Problem
from smi_conformance.cli.running import Context, Kubeconfig

if TYPE_CHECKING:
    from smi_conformance.cluster.incluster import InCluster
    from smi_conformance.cluster.port import Manifest

app = typer.Typer(
    help="Run the suite as a Job in the cluster that it judges; the report comes out as a tarball.",
    no_args_is_help=True,
)
Words = Annotated[list[str] | None, typer.Argument(metavar="[-- OPTIONS OF RUN]", help="Options of `run`.")]
Image = Annotated[str, typer.Option(metavar="IMAGE", help="Image of the suite, made by the Containerfile.")]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", metavar="FILE", help="For the run to find as /files/NAME: a profile, say. Repeatable."),
]
Out = Annotated[Path, typer.Option(metavar="FILE.tar.gz", help="Where the report goes.")]
Patience = Annotated[float, typer.Option(metavar="SECONDS", min=1, help="How long to wait for the report.")]
DEV, REPORT, HOURS = "smi-conformance:dev", Path("reports/in-cluster.tar.gz"), 2 * 3600.0


@app.command()
def render(words: Words = None, *, image: Image = DEV, file: Files = None) -> None:
    """Print the objects, for kubectl apply."""
    import yaml  # noqa: PLC0415

    from smi_conformance.cluster import incluster  # noqa: PLC0415

    print(yaml.safe_dump_all(incluster.manifests(image, words or (), _files(file)), sort_keys=False), end="")


@app.command()
def run(
    words: Words = None,
    *,
    image: Image = DEV,
    file: Files = None,
    out: Out = REPORT,
    patience: Patience = HOURS,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Start the Job, show what it prints, fetch the report and remove the Job; ends with the exit code of the run."""
    from smi_conformance.cluster import incluster  # noqa: PLC0415

    objects = incluster.manifests(image, words or (), _files(file))
    job = _job(kubeconfig, context)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    job.start(objects)
    try:
        job.follow(print)
        result = job.fetch(out, patience)
    except BaseException as error:
        _removed(job, objects, error)
        raise
    print(f"the report is {out}")
    job.remove(objects)
    return result.exit


def _removed(job: InCluster, objects: list[Manifest], why: BaseException) -> None:
    """Remove the Job of a run that failed; what failed first is what is told in the end."""
    from smi_conformance.cluster.port import ClusterError  # noqa: PLC0415

    print("interrupted: removing the Job" if isinstance(why, KeyboardInterrupt) else f"{why}: removing the Job")
    try:
        job.remove(objects)
    except ClusterError as error:
        print(error)


@app.command()
def fetch(
    *, out: Out = REPORT, patience: Patience = HOURS, kubeconfig: Kubeconfig = None, context: Context = None
) -> int:
    """Wait for the report of a Job and fetch it; ends with the exit code of the run."""
    result = _job(kubeconfig, context).fetch(out, patience)
    print(f"the report is {out}")
    return result.exit


@app.command()
def remove(*, kubeconfig: Kubeconfig = None, context: Context = None) -> None:
    """Remove the Job and its rights; a run that goes on removes its namespaces first."""
    from smi_conformance.cluster import incluster  # noqa: PLC0415

    _job(kubeconfig, context).remove(incluster.manifests(DEV, ()))


@app.command(hidden=True)
def job(words: Words = None, *, folder: Annotated[Path, typer.Option()] = Path("/out"), hold: float = 3600.0) -> int:
    """What the Job's container does: run the suite, pack the report, and wait until it is fetched."""
    from smi_conformance.cluster import incluster  # noqa: PLC0415

    report, stopped, running = folder / "report", list[int](), list["subprocess.Popen[bytes]"]()

    def stop(number: int, _: object) -> None:  # the first process of a container is not ended by default
        stopped.append(number)
        for process in running:
            process.send_signal(number)

    signal.signal(signal.SIGTERM, stop)
    argv = [sys.executable, "-m", "smi_conformance.cli", "run", "--cluster", "current", "--report", str(report)]
    with subprocess.Popen([*argv, *(words or ())]) as process:
        running.append(process)
        code = process.wait()
    _pack(report, folder / Path(incluster.TARBALL).name, folder / Path(incluster.RESULT).name, code)
    print(incluster.READY, flush=True)
    fetched, end = folder / Path(incluster.FETCHED).name, time.monotonic() + hold
    while not (stopped or fetched.exists()) and time.monotonic() < end:
        time.sleep(0.5)
    return code


def _pack(report: Path, tarball: Path, result: Path, code: int) -> None:
    """Make the tarball, and then, by which the pod becomes ready, the file that says so."""
    report.mkdir(parents=True, exist_ok=True)  # a run that could not begin has none
    with tarfile.open(tarball, "w:gz") as packed:
        packed.add(report, "report")
    content = tarball.read_bytes()
    told = {"exit": code, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    result.write_text(json.dumps(told))


def _files(given: list[Path] | None) -> list[Path]:
    for path in given or ():
        if not path.is_file():
            raise Problem(f"--file {path}: there is no such file")
    return given or []


def _job(kubeconfig: Path | None, context: str | None) -> InCluster:
    from smi_conformance.cluster.backends import connect, reachable  # noqa: PLC0415
    from smi_conformance.cluster.incluster import InCluster  # noqa: PLC0415

    api = connect(kubeconfig, context)
    reachable(api)
    return InCluster(api)
