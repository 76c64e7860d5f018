"""The suite's options on pytest's command line; `smi-conformance run` passes the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from smi_conformance.plugin.settings import RunOptions, UsageError

ACTIVE = pytest.StashKey[RunOptions]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("smi", "Service Mesh Interface conformance")
    add = group.addoption
    add(
        "--mesh",
        default="reference",
        metavar="NAME|none|FILE.yaml",
        help="mesh under test: a built-in profile or a file",
    )
    add("--cluster", default="embedded", metavar="BACKEND", help="embedded, kind[:NAME], current, model, or replay:DIR")
    add(
        "--requirement",
        action="append",
        default=[],
        metavar="ID|GLOB",
        help="judge only these requirements; repeatable",
    )
    add(
        "--api",
        action="append",
        default=[],
        metavar="stable|all|GROUP=VERSION[,VERSION]",
        help="API versions under test, by default the stable ones; repeatable",
    )
    add("--posture", default="deny", help="deny (access is enforced), permissive, or both one after the other")
    add(
        "--scenario",
        action="append",
        default=[],
        metavar="NODEID",
        help="judge only these scenarios; repeatable",
    )
    add("--max-time", type=float, default=None, metavar="SECONDS", help="begin no scenario after that")
    add(
        "--rigor",
        default="standard",
        help="quick, standard or certify: how many attempts a denial takes, and (quick) coarser shares",
    )
    add(
        "--fault",
        action="append",
        default=[],
        metavar="ID/SLUG",
        help="break the reference mesh in this way; repeatable",
    )
    add("--report", default="reports/latest", metavar="DIR", help="folder of the report and its observations")
    add("--keep", action="store_true", help="leave the namespaces of the run in place")
    add("--seed", type=int, default=None, help="seed of everything random")
    add("--delay", type=float, default=0.0, metavar="SECONDS", help="how late the mesh of --cluster model may be")
    add(
        "--deadline",
        action="append",
        default=[],
        metavar="NAME=SECONDS",
        help="override a deadline; repeatable",
    )
    add(
        "--kube-config",
        default=None,
        metavar="FILE",
        dest="kubeconfig",
        help="kubeconfig for --cluster current",
    )
    add("--kube-context", default=None, metavar="NAME", dest="kube_context", help="context in the kubeconfig")
    add(
        "--yes-this-cluster",
        action="store_true",
        help="go on where --cluster current does not look like a test cluster",
    )
    add("--namespace-prefix", default="smi", metavar="WORD", help="how the names of the run's namespaces begin")
    add(
        "--workload", default=None, metavar="FILE", help="settings of the workload's pods: image, user, tolerations ..."
    )
    add("--workload-image", default=None, metavar="IMAGE", help="image of the workload's pods")
    add(
        "--kind-image",
        default=None,
        metavar="IMAGE",
        help="node image, and so the Kubernetes version, of a new cluster",
    )
    add("--kind-nodes", type=int, default=1, metavar="N", help="nodes of a new kind cluster")
    add("--kind-config", default=None, metavar="FILE", help="kind's own configuration of a new cluster")


def options_of(config: pytest.Config) -> RunOptions:
    """The run's options from pytest's; raises pytest.UsageError with one line when they cannot be used."""
    get = config.getoption
    try:
        return RunOptions(
            mesh=get("mesh"), cluster=get("cluster"), requirements=tuple(get("requirement")),
            api=tuple(get("api")), posture=get("posture"), rigor=get("rigor"),
            faults=tuple(get("fault")), report=Path(get("report")), workers=get("numprocesses", 0) or 0,
            keep=get("keep"), seed=get("seed"), kubeconfig=_path(get("kubeconfig")),
            context=get("kube_context"), scenarios=tuple(get("scenario")), max_time=get("max_time"), delay=get("delay"),
            deadlines={k: _seconds(k, v) for k, v in _pairs("--deadline", get("deadline"))},
            yes_this_cluster=get("yes_this_cluster"), namespace_prefix=get("namespace_prefix"),
            workload_file=_path(get("workload")), workload_image=get("workload_image"), kind_image=get("kind_image"),
            kind_nodes=get("kind_nodes"), kind_config=_path(get("kind_config")),
        ).checked()  # fmt: skip
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _pairs(option: str, values: list[str]) -> list[tuple[str, str]]:
    for value in values:
        if not all(value.partition("=")):
            raise UsageError(f"{option} takes NAME=VALUE, not '{value}'")
    return [(name, text) for name, _, text in (value.partition("=") for value in values)]


def _seconds(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--deadline {name} takes seconds, not '{text}'") from error
