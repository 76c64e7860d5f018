"""The plugin and the fixtures of the suite; everything else lives in them."""

pytest_plugins = [
    "smi_conformance.plugin.hooks",
    "fixtures.mesh",
    "fixtures.policy",
    "fixtures.cast",
    "fixtures.roles",
    "fixtures.services",
    "fixtures.stage",
    "fixtures.passing",
    "fixtures.api",
    "fixtures.readings",
    "fixtures.rights",
    "fixtures.split",
    "fixtures.metrics_api",
    "fixtures.metrics",
    "fixtures.outsider",
    "fixtures.readers",
    "fixtures.split_metrics",
    "fixtures.aftermath",
]
