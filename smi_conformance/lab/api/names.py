"""Names, labels and their rules."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

from smi_conformance.lab.api.errors import Cause, Object

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"

LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
SERVICE_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def random_suffix(length: int = 5) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def generated(prefix: str) -> str:
    """A name for `metadata.generateName`."""
    return prefix[:58] + random_suffix()


def dns_label(value: str) -> str | None:
    """What is wrong with it as a DNS-1123 label, or None."""
    return _problem(value, _DNS_LABEL, 63, LABEL_RULE)


def dns_subdomain(value: str) -> str | None:
    return _problem(value, _DNS_SUBDOMAIN, 253, SUBDOMAIN_RULE)


def dns_1035(value: str) -> str | None:
    return _problem(value, _DNS_1035, 63, SERVICE_RULE)


def path_segment(value: str) -> str | None:
    if value in (".", ".."):
        return f"may not be '{value}'"
    bad = next((c for c in "/%" if c in value), None)
    return f"may not contain '{bad}'" if bad else None


def _problem(value: str, pattern: re.Pattern[str], limit: int, rule: str) -> str | None:
    if len(value) > limit:
        return f"must be no more than {limit} characters"
    return None if pattern.fullmatch(value) else rule


_RULES: dict[str, Callable[[str], str | None]] = {
    "namespaces": dns_label,
    "services": dns_1035,
    "roles.rbac.authorization.k8s.io": path_segment,
    "rolebindings.rbac.authorization.k8s.io": path_segment,
    "clusterroles.rbac.authorization.k8s.io": path_segment,
    "clusterrolebindings.rbac.authorization.k8s.io": path_segment,
}


def metadata_causes(resource: str, meta: Object) -> Iterator[Cause]:
    """What is wrong with an object's name, labels and annotations."""
    name = meta.get("name")
    if not name:
        yield "FieldValueRequired", "metadata.name", "Required value: name or generateName is required"
    elif problem := _RULES.get(resource, dns_subdomain)(name):
        yield "FieldValueInvalid", "metadata.name", f'Invalid value: "{name}": {problem}'
    yield from label_causes(meta.get("labels") or {}, "metadata.labels")
    for key in meta.get("annotations") or {}:
        if problem := _key_problem(key.lower()):
            yield "FieldValueInvalid", "metadata.annotations", f'Invalid value: "{key}": {problem}'


def label_causes(labels: Object, path: str) -> Iterator[Cause]:
    for key, value in labels.items():
        if problem := _key_problem(key):
            yield "FieldValueInvalid", path, f'Invalid value: "{key}": {problem}'
        if problem := _value_problem(value):
            yield "FieldValueInvalid", path, f'Invalid value: "{value}": {problem}'


def _key_problem(key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    if slash and (problem := dns_subdomain(prefix)):
        return f"prefix part {problem}"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    return None if _QUALIFIED.fullmatch(name) else LABEL_KEY_RULE


def _value_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return "must be a string"
    return _problem(value, re.compile(f"({_QUALIFIED.pattern})?"), 63, LABEL_VALUE_RULE)
