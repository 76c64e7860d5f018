"""SMI objects drawn at random, for the tests of what is written and read."""

from __future__ import annotations

from hypothesis import strategies as st

from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    IdentityBinding,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    Split,
    TcpRoute,
    TrafficTarget,
    UdpRoute,
)

names = st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)
accounts = st.builds(ServiceAccountRef, names, st.none() | names)
ports = st.lists(st.integers(1, 65535), max_size=4).map(tuple)
headers = st.dictionaries(names, st.text(max_size=9), max_size=3).map(lambda found: tuple(found.items()))
matches = st.builds(
    HttpMatch,
    names,
    st.none() | st.text(max_size=9),
    st.sets(st.sampled_from(["GET", "*", "PUT"])).map(tuple),
    headers,
)
rules = st.builds(
    Rule,
    st.sampled_from(["HTTPRouteGroup", "TCPRoute", "UDPRoute"]),
    names,
    st.lists(names, max_size=3).map(tuple),
)


def targets_of(subjects: st.SearchStrategy[ServiceAccountRef]) -> st.SearchStrategy[TrafficTarget]:
    """Whose destination and sources are drawn from these."""
    return st.builds(
        TrafficTarget,
        subjects,
        st.lists(subjects, min_size=1, max_size=3).map(tuple),
        st.lists(rules, min_size=1, max_size=3).map(tuple),
        st.none() | st.integers(1, 65535),
    )


targets = targets_of(accounts)
splits = st.builds(
    Split,
    names,
    st.lists(
        st.builds(Backend, names, st.integers(0, 10**6) | st.sampled_from(["500m", "1", "2k", "333m"])), max_size=4
    ).map(tuple),
    st.lists(names, max_size=2).map(tuple),
)
groups = st.lists(matches, min_size=1, max_size=3, unique_by=lambda one: one.name).map(
    lambda found: RouteGroup(tuple(found))
)
things = targets | splits | groups | st.builds(TcpRoute, ports) | st.builds(UdpRoute, ports)
subjects = accounts | st.builds(
    ServiceAccountRef, names, st.none() | names, st.sampled_from(["IdentityBinding", "Group"])
)
bindings = st.builds(
    IdentityBinding,
    st.dictionaries(names, names, max_size=2).map(lambda found: tuple(found.items())),
    st.lists(names, max_size=2).map(tuple),
    st.none() | names,
)
everything = things | bindings | targets_of(subjects)
