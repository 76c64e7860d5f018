"""The adapter beside a real Prometheus."""
