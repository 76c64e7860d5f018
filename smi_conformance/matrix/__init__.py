"""Many runs as one: mesh x Kubernetes, each on a fresh cluster, merged into one table of requirements."""
