"""The model: SMI objects, API versions and the register of requirements; no I/O but the loading of files."""
