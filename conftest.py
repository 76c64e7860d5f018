"""The plugin and the fixtures of the suite; everything else lives in them."""

pytest_plugins = [
    "smi_conformance.plugin.hooks",
    "fixtures.mesh",
    "fixtures.cast",
    "fixtures.roles",
    "fixtures.services",
    "fixtures.stage",
    "fixtures.passing",
    "fixtures.policy",
    "fixtures.api",
    "fixtures.readings",
    "fixtures.rights",
    "fixtures.split",
    "fixtures.metrics",
]
