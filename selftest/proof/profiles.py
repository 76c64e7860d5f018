"""What can be shown of a profile without its mesh: all that the suite writes with it, and that an API server takes it.

    python -m selftest.proof.profiles                                    every profile on the model: rendered
    python -m selftest.proof.profiles --kubeconfig FILE [--crds DIR]     and on a real API server, by dry run: accepted
    python -m selftest.proof.profiles --page > docs/proof/profiles.md    the record as a page

The whole suite is run on the model with the profile, and every object that it writes is kept. The resources of the mesh
are then served at its versions by a real API server, which gets each object once more with `dryRun=All`. With a folder
of the meshes' own definitions (NAME.yaml) the same is done with those. `--objects DIR` keeps what was written, and uses
it again. The outcome goes into smi_conformance/meshes/proof.json.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from selftest.proof.profiles_page import page
from smi_conformance.cluster.backends import connect, reachable
from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.port import Answer, Manifest, Ref
from smi_conformance.judge.convergence import until
from smi_conformance.meshes import crds, samples
from smi_conformance.meshes.profile import Profile, available, load
from smi_conformance.meshes.proof import digest

PROOF = Path(crds.__file__).parent / "proof.json"
NAMESPACE = "smi-proof"
LIMIT = 300.0  # seconds for one profile on the model


def main(argv: Sequence[str]) -> int:
    """Prove the profiles that are named, or all; 1 when the suite or an API server has objections."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--crds", type=Path, help="folder with NAME.yaml, the definitions that come with a mesh")
    parser.add_argument("--objects", type=Path, help="folder where the objects of runs on the model are kept")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--capture", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.capture:
        return capture(given.capture[0], Path(given.capture[1]))
    if given.page:
        sys.stdout.write(page(json.loads(PROOF.read_text(encoding="utf-8")), available()))
        return 0
    with tempfile.TemporaryDirectory(prefix="smi-profiles-") as folder:
        kept = given.objects or Path(folder)
        proven = [_proven(load(name), kept, given.kubeconfig, given.crds) for name in given.names or _names()]
    return 0 if all(proven) else 1


def _names() -> list[str]:
    return [profile.name for profile in available()]


def _proven(profile: Profile, kept: Path, kubeconfig: Path | None, own: Path | None) -> bool:
    told, manifests = _rendered(profile, kept / f"{profile.name}-{digest(profile)[:12]}")
    made: dict[str, Any] = {"digest": digest(profile), "rendered": told}
    if kubeconfig:
        made |= _offered(profile, manifests, kubeconfig, own)
    sys.stdout.write(f"{profile.name}: {json.dumps(made)[:1000]}\n")
    known = json.loads(PROOF.read_text(encoding="utf-8"))
    known[profile.name] = made
    PROOF.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")
    return "error" not in told["verdicts"] and "refused" not in made


# On the model


def capture(name: str, path: Path) -> int:
    """Run the suite on the model with a profile, and keep every object that it writes."""
    from smi_conformance.cluster.model.cluster import ModelCluster  # noqa: PLC0415
    from smi_conformance.plugin import runner  # noqa: PLC0415

    seen: list[Manifest] = []
    apply, api = ModelCluster.apply, ModelCluster.api

    # What is refused here is refused for a reason that a scenario judges.
    def applied(self: ModelCluster, manifest: Manifest) -> None:
        apply(self, manifest)
        seen.append(copy.deepcopy(manifest))

    def asked(self: ModelCluster, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        answer = api(self, method, path, body, **more)
        if answer.status in (200, 201) and isinstance(body, dict) and {"kind", "apiVersion", "metadata"} <= body.keys():
            seen.append(copy.deepcopy(body))
        return answer

    ModelCluster.apply, ModelCluster.api = applied, asked  # type: ignore[method-assign,assignment]
    options = runner.RunOptions(mesh=name, cluster="model", seed=1, report=path.parent / "report")
    code = runner.run(options.checked())
    path.write_text(json.dumps(seen))
    return code


def _rendered(profile: Profile, folder: Path) -> tuple[dict[str, Any], list[Manifest]]:
    argv = [sys.executable, "-m", __spec__.name, "--capture", profile.name, str(folder / "objects.json")]
    if not (folder / "objects.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(argv, check=False, timeout=LIMIT, capture_output=True)
    written = _distinct([*samples.workload(profile), *json.loads((folder / "objects.json").read_text())])
    report = json.loads((folder / "report" / "report.json").read_text())
    judged = [row for row in report["rows"] if row["scenarios"]]
    verdicts = Counter(row["verdict"] for row in judged)
    told = {
        "date": _today(),
        "versions": dict(report["run"]["api"]),
        "verdicts": dict(sorted(verdicts.items())),
        "failed": sorted({row["requirement"] for row in judged if row["verdict"] in ("fail", "error", "blocked")}),
        "objects": len(written),
        "kinds": dict(sorted(Counter(f"{one['kind']} {one['apiVersion']}" for one in written).items())),
    }
    return told, written


NAMES = {"name", "namespace", "service", "serviceAccountName", "instance", "app", "version", "targetPort"}
"""Fields whose words are names that somebody gave: an API server takes one like the other."""


def _distinct(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Objects that differ in more than names."""
    found: dict[str, Manifest] = {}
    for manifest in manifests:
        if manifest["kind"] not in ("CustomResourceDefinition", "ConfigMap"):
            found.setdefault(json.dumps(_nameless(manifest), sort_keys=True), manifest)
    return list(found.values())


def _nameless(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _nameless(one, name) for name, one in value.items() if name != "smi-conformance/requirement"}
    if isinstance(value, list):
        return [_nameless(one, key) for one in value]
    return "" if isinstance(value, str) and key in NAMES else value


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


# On a real API server


def _offered(profile: Profile, manifests: Sequence[Manifest], kubeconfig: Path, own: Path | None) -> dict[str, Any]:
    api = connect(kubeconfig, None)
    version = reachable(api).git_version.removeprefix("v")
    cluster = KubeCluster(api, Unrecorded())
    refused = _refused(cluster, _plain(crds.of(profile)), manifests)
    file = own / f"{profile.name}.yaml" if own else None
    told: dict[str, Any] = {"date": _today(), "kubernetes": version, "objects": len(manifests)}
    if file and file.exists():
        read = [one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one]
        theirs = list({one["metadata"]["name"]: one for one in read}.values())
        told["own_refused"] = _refused(cluster, _plain(theirs), manifests)
        told["own"] = [one["metadata"]["name"] for one in theirs]
        told["own_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    cluster.close()
    return {"refused": {**told, "reasons": refused}} if refused else {"accepted": told}


def _plain(definitions: Iterable[Manifest]) -> list[Manifest]:
    """Definitions without a webhook for conversion, which nobody would answer."""
    made = copy.deepcopy(list(definitions))
    for one in made:
        one["spec"].pop("conversion", None)
        one["spec"].pop("preserveUnknownFields", None) if one["apiVersion"].endswith("/v1") else None
        one.pop("status", None)
    return made


def _refused(cluster: KubeCluster, definitions: Sequence[Manifest], manifests: Sequence[Manifest]) -> list[str]:
    with _serving(cluster, definitions):
        seen = (samples.dry_run(cluster, _moved(one)) for one in manifests)
        return sorted({f"{one.what}: {one.told}"[:300] for one in seen if one.state != "accepted"})


def _moved(manifest: Manifest) -> Manifest:
    """The object in the namespace of this proof."""
    if not manifest["metadata"].get("namespace"):
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": NAMESPACE}}


@contextmanager
def _serving(cluster: KubeCluster, definitions: Sequence[Manifest]) -> Iterator[None]:
    """A namespace, and these definitions where there were none, all gone afterwards."""
    space = Ref("v1", "Namespace", NAMESPACE)
    refs = [Ref(one["apiVersion"], one["kind"], one["metadata"]["name"]) for one in definitions]
    if there := [str(ref) for ref in (space, *refs) if cluster.get(ref)]:
        raise SystemExit(f"there already: {', '.join(there)}")
    try:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for one in definitions:
            cluster.apply(one)
        account = Ref("v1", "ServiceAccount", "default", NAMESPACE)
        until(lambda: cluster.get(account) is not None, deadline=60, clock=cluster.clock)
        until(lambda: all(_established(cluster.get(ref)) for ref in refs), deadline=120, clock=cluster.clock)
        until(lambda: _listed(cluster, definitions), deadline=120, clock=cluster.clock)
        yield
    finally:
        for ref in (*refs, space):
            cluster.delete(ref)
        until(lambda: not any(cluster.get(ref) for ref in (*refs, space)), deadline=120, clock=cluster.clock)


def _established(definition: Mapping[str, Any] | None) -> bool:
    told = ((definition or {}).get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in told)


def _listed(cluster: KubeCluster, definitions: Sequence[Manifest]) -> bool:
    """Whether the paths of all served versions answer: that comes a moment after they are established."""
    paths = [
        f"/apis/{one['spec']['group']}/{version['name']}/{one['spec']['names']['plural']}"
        for one in definitions
        for version in one["spec"].get("versions") or [{"name": one["spec"]["version"]}]  # as v1beta1 may have it
        if version.get("served", True)
    ]
    return all(cluster.api("GET", path).status == 200 for path in paths)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
