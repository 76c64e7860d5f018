"""The narrow port through which the suite reaches a cluster, and its backends."""
