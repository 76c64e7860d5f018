"""The API of the lab, without a node."""
