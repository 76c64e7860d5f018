"""The plugin and the fixtures of the suite; everything else lives in them."""

pytest_plugins = [
    "smi_conformance.plugin.hooks",
    "fixtures.mesh",
    "fixtures.cast",
    "fixtures.policy",
    "fixtures.split",
]
