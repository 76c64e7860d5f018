"""The node of the lab: sandbox, containers, network, Services, DNS and the kubelet."""
