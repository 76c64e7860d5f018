"""python -m smi_conformance.cli"""

from __future__ import annotations

from smi_conformance.cli import main

main()
