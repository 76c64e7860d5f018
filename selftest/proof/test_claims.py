"""What a profile claims, beside what the cluster serves."""

from __future__ import annotations

from pathlib import Path

import yaml

from selftest.proof.conftest import Run
from smi_conformance.meshes.profile import load


def test_claimed_versions_have_to_be_served(run: Run, tmp_path: Path) -> None:
    """Claimed and absent: the requirement to serve fails, others are blocked. Neither of both: unsupported."""
    claims = {"access": ["v1alpha2", "v1alpha3"], "specs": "v1alpha4", "split": "v1alpha4"}
    mine = {**load("none").model_dump(mode="json", exclude_defaults=True), "name": "mine", "claims": claims}
    profile = tmp_path / "mine.yaml"
    profile.write_text(yaml.safe_dump(mine))
    wanted = ("--requirement", "API-010", "--requirement", "TA-010", "--api", "access=v1alpha1,v1alpha2,v1alpha3")
    done = run("--mesh", str(profile), *wanted)
    assert done.code == 1, done.output
    rows = {(row["requirement"], row["version"]): row for row in done.report["rows"] if row["scenarios"]}
    assert {key: row["verdict"] for key, row in rows.items()} == {
        ("API-010", "v1alpha1"): "unsupported",
        ("API-010", "v1alpha2"): "fail",
        ("API-010", "v1alpha3"): "pass",
        ("TA-010", "v1alpha1"): "unsupported",
        ("TA-010", "v1alpha2"): "blocked",
        ("TA-010", "v1alpha3"): "fail",
    }
    assert rows["TA-010", "v1alpha2"]["reason"] == "blocked by API-010: access v1alpha2 is claimed and not served"
