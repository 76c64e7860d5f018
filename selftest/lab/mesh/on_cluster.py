"""Proof on a real cluster: `python -m selftest.lab.mesh.on_cluster [FAULT...]`.

Needs KUBECONFIG, kubectl on PATH, the image smi-reference-mesh:dev and the mesh installed, and the SMI CRDs. Builds a
few workloads in namespaces of its own, checks the sound mesh, then switches on one fault after another and checks that
each one shows.
"""
