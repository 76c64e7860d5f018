"""Generative conformance: drawn policies and requests, judged by the oracle. `smi-conformance fuzz` runs it."""
