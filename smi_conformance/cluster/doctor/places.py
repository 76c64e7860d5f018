"""Whether there is a cluster at all: of a kubeconfig, in the embedded lab, in the model."""

from __future__ import annotations

from importlib import import_module

from smi_conformance.cluster.doctor.findings import Finding, fatal, ok

EXTRA = "pip install 'smi-conformance[lab]'"


def lab() -> Finding:
    """Whether the embedded lab can be started here."""
    try:
        from smi_conformance.lab.node.preflight import PreflightError, preflight  # noqa: PLC0415  # Linux only
    except ImportError as error:
        return fatal("embedded lab", str(error), f"{EXTRA} (Linux)")
    try:
        preflight()
    except PreflightError as error:
        return fatal("embedded lab", str(error), error.way_out)
    return ok("embedded lab", "namespaces, nf_tables and Envoy are there")


def model() -> Finding:
    """Whether the model is installed."""
    try:
        import_module("smi_conformance.cluster.model.backend")  # stands on the optional extra
    except ImportError as error:
        return fatal("model", str(error), EXTRA)
    return ok("model", "a cluster and a mesh inside this process: nothing else is needed")
