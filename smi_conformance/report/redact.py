"""Names that do not belong in a published report: of nodes, registries, clusters and home directories.

A pure function over JSON values and a table of patterns. The table is fixed, plus the names that the run
itself gives away: the context of its command and the registries of its images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

PUBLIC_REGISTRIES = frozenset(
    {
        "docker.io",
        "gcr.io",
        "ghcr.io",
        "k8s.gcr.io",
        "localhost",
        "mcr.microsoft.com",
        "public.ecr.aws",
        "quay.io",
        "registry.k8s.io",
    }
)


class Rule(NamedTuple):
    """What is taken out, how it is found, and what stands in its place."""

    what: str
    pattern: re.Pattern[str]
    replacement: str


Table = tuple[Rule, ...]

RULES: Table = (
    Rule("kubeconfig", re.compile(r"(--kubeconfig[ =])(?:'[^']*'|\S+)"), r"\1KUBECONFIG"),
    Rule("kubeconfig", re.compile(r"\b(KUBECONFIG=)(?:'[^']*'|\S+)"), r"\1KUBECONFIG"),
    Rule("cluster", re.compile(r"(--context[ =])(?:'[^']*'|\S+)"), r"\1CONTEXT"),
    Rule("cluster", re.compile(r"\barn:aws[\w-]*:eks:[\w:/.-]+"), "CLUSTER"),
    Rule("cluster", re.compile(r"\bgke_[\w-]+_[\w-]+_[\w-]+"), "CLUSTER"),
    Rule(
        "cluster",
        re.compile(r"(https?://)[\w.-]+\.(?:eks\.amazonaws\.com|azmk8s\.io|gke\.goog)(?::\d+)?"),
        r"\1CLUSTER",
    ),
    Rule("cluster", re.compile(r"(https://)(?!127\.0\.0\.1|10\.96\.)[\w.-]+(?=:(?:6443|8443)\b)"), r"\1CLUSTER"),
    Rule("home", re.compile(r"(?:/home|/Users|[A-Za-z]:\\Users)[/\\][^/\\\s\"'<>:;,]+"), "~"),
    Rule("home", re.compile(r"(?<![\w/.-])/root(?=/|\b)(?![\w-])"), "~"),
    Rule("node", re.compile(r"\bip-\d+-\d+-\d+-\d+(?:\.[\w-]+)*\.internal\b"), "NODE"),
    Rule("node", re.compile(r"\bgke-[\w-]+-[0-9a-f]{8}-[0-9a-z]{4}\b"), "NODE"),
    Rule("node", re.compile(r"\baks-[\w-]+-vmss[0-9a-z]{6}\b"), "NODE"),
)


def table(report: Mapping[str, Any]) -> Table:
    """The rules for one report, given as JSON values."""
    contexts = re.findall(r"--context[ =](\S+)", report["run"]["command"] or "")
    return (
        *RULES,
        *_literals("cluster", contexts, "CONTEXT"),
        *_literals("registry", _registries(report["cluster"]["images"]), "REGISTRY"),
    )


def redact(value: Any, rules: Table = RULES) -> Any:
    """The JSON value with every string, keys included, run through the rules."""
    if isinstance(value, str):
        return _text(value, rules)
    if isinstance(value, list | tuple):
        return [redact(item, rules) for item in value]
    if isinstance(value, dict):
        return {_text(key, rules): redact(item, rules) for key, item in value.items()}
    return value


@lru_cache(maxsize=1 << 14)  # names and words come again and again
def _text(text: str, rules: Table) -> str:
    for rule in rules:
        text = rule.pattern.sub(rule.replacement, text)
    return text


def _literals(what: str, names: Iterable[str], replacement: str) -> Table:
    # Shorter names are common words; taking them out everywhere would maim the report.
    found = sorted({name.strip("'\"") for name in names}, key=len, reverse=True)
    alone = r"(?<![\w.-]){}(?![\w-])"
    return tuple(Rule(what, re.compile(alone.format(re.escape(name))), replacement) for name in found if len(name) > 3)


def _registries(images: Iterable[str]) -> list[str]:
    hosts = [image.partition("/")[0] for image in images if "/" in image]
    named = [host for host in hosts if "." in host or ":" in host]
    return [host for host in named if host.partition(":")[0] not in PUBLIC_REGISTRIES]
