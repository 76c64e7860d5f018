"""Images for clusters without a way to a registry: which ones are needed, as one archive, and into the cluster."""
