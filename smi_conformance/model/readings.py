"""What the specification leaves open: each reading by name, with the one that holds by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Readings:
    """The choices of one mesh. The ids are those of the register's entries that leave them open."""

    source_without_namespace: Literal["nobody", "own"] = "nobody"
    """TA-065: nobody, or the account in the namespace of the TrafficTarget."""
    target_elsewhere: Literal["ignored", "honoured"] = "ignored"
    """TA-070: a TrafficTarget in another namespace than its destination."""
    policy_port: Literal["container", "service"] = "container"
    """TA-082: which port a policy names where a Service maps one to another."""
    intact_rules: Literal["hold", "void"] = "hold"
    """TA-105: the intact rules of a TrafficTarget that also refers to something missing."""
    raw_tcp_beside_http: Literal["admitted", "denied"] = "admitted"
    """TA-107: raw TCP on a port of a TCPRoute beside a route group."""
    every_address: Literal["admitted", "services only"] = "admitted"
    """TA-026: whether a listed client may also call a pod by its address."""
    open_connections: Literal["judged again", "kept"] = "judged again"
    """TA-127: raw TCP connections that are open when their grant is withdrawn."""
    dollar_and_query: Literal["path only", "with query"] = "path only"
    """TS-019: whether the query is part of what pathRegex is matched against."""
    get_stands_for_head: bool = False
    """TS-025."""
    header_fit: Literal["whole", "part"] = "whole"
    """TS-036: whether a header expression has to fit the whole value."""
    empty_fits_absent: bool = False
    """TS-037: whether an expression that matches nothing holds when the header is absent."""
    all_ports: Literal["listening", "exposed"] = "listening"
    """TS-075: whether a TCPRoute for all ports covers ports that no Service exposes."""
    all_zero: Literal["fails", "ignored"] = "fails"
    """SP-015: a split whose weights are all 0."""
    cluster_ip: Literal["split", "unsplit"] = "split"
    """SP-027: calls to the root's cluster IP."""
    qualified_service: Literal["accepted", "unknown"] = "accepted"
    """SP-028: spec.service written with its namespace."""
    absent_backend: Literal["moves", "fails"] = "moves"
    """SP-040: the share of a backend that has no Service or no ready pod."""
    two_splits: Literal["oldest", "newest"] = "oldest"
    """SP-087: which of several splits on one root acts."""
    spiffe_prefix: Literal["optional", "required", "absent"] = "optional"
    """TA-209: whether SPIFFE ids are written with spiffe://."""
    both_schemes: Literal["either", "void"] = "either"
    """TA-203: an IdentityBinding with podLabelSelector and serviceAccount."""
