"""stub"""

from __future__ import annotations
from collections.abc import Iterable
from typing import Any

FAULTS: dict[str, str] = {}


class Switches:
    def __init__(self, names: Iterable[str] = (), before: Any = None) -> None:
        self.names = tuple(names)

    def __bool__(self) -> bool:
        return False

    def state(self, s: Any) -> Any:
        return s

    def view(self, s: Any, p: Any) -> Any:
        return s

    def inbound(self, i: Any, s: Any) -> Any:
        return i

    def outbound(self, o: Any, s: Any, p: Any) -> Any:
        return o

    def proxy(self, r: Any, s: Any, p: Any) -> Any:
        return r
