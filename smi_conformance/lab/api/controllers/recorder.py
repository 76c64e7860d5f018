"""Events that controllers leave at objects."""

from __future__ import annotations

import time

from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.store import Store, now


def record(store: Store, obj: Object, reason: str, message: str, *, warning: bool = False) -> None:
    """Tell what happened to `obj`; the same thing again is counted, not told twice."""
    meta = obj["metadata"]
    namespace = meta.get("namespace") or "default"
    known = next((e for e in store.walk("events", namespace) if _same(e, meta["uid"], reason, message)), None)
    if known is not None:
        again = {"count": known["count"] + 1, "lastTimestamp": now()}
        store.merge("events", known["metadata"]["name"], again, namespace)
        return
    source = f"{obj['kind'].lower()}-controller"
    event = {
        "metadata": {"name": f"{meta['name']}.{time.time_ns():x}", "namespace": namespace},
        "involvedObject": {
            "kind": obj["kind"],
            "apiVersion": obj["apiVersion"],
            **{k: meta[k] for k in ("namespace", "name", "uid", "resourceVersion") if k in meta},
        },
        "reason": reason,
        "message": message,
        "source": {"component": source},
        "reportingComponent": source,
        "type": "Warning" if warning else "Normal",
        "count": 1,
        "firstTimestamp": now(),
        "lastTimestamp": now(),
    }
    store.create("events", event)


def _same(event: Object, uid: str, reason: str, message: str) -> bool:
    told = (event.get("involvedObject", {}).get("uid"), event.get("reason"), event.get("message"))
    return told == (uid, reason, message) and "count" in event
