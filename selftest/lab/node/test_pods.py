"""Pods end to end, through the API with the official client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from .conftest import SLEEP, Cluster, condition, until


def _shell(script: str) -> dict[str, Any]:
    return {"image": "busybox:1", "command": ["sh", "-c", script]}


def test_a_pod_becomes_ready_and_says_what_kubernetes_says(cluster: Cluster) -> None:
    cluster.pod("web", SLEEP)
    cluster.ready("web")
    pod = cluster.read("web")
    assert pod.spec.node_name == "lab-node"
    assert (pod.status.phase, pod.status.qos_class, pod.status.host_ip) == ("Running", "BestEffort", "10.244.0.1")
    assert pod.status.pod_ips[0].ip == pod.status.pod_ip
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
        assert condition(pod, kind) == "True"
    status = pod.status.container_statuses[0]
    assert status.ready
    assert status.started
    assert status.image_id.startswith("lab/python@sha256:")
    assert status.state.running.started_at is not None
    assert {"Pulled", "Started"} <= cluster.events("web").keys()


def test_a_container_sees_little_of_the_host_and_writes_nothing_of_it(cluster: Cluster) -> None:
    cluster.pod("web", SLEEP)
    cluster.ready("web")
    assert "work" not in cluster.run("web", "ls", "/").split()
    assert "Read-only" in cluster.run("web", "touch", "/usr/bin/x")
    assert "Read-only" in cluster.run("web", "sh", "-c", "echo 1 > /proc/sys/kernel/pid_max 2>&1 || true")
    assert cluster.run("web", "sh", "-c", "touch /tmp/x && ls /tmp") == "x\n"
    assert cluster.run("web", "hostname") == "web\n"
    processes = cluster.run("web", "python3", "-c", "import os; print([p for p in os.listdir('/proc') if p.isdigit()])")
    assert json.loads(processes.replace("'", '"')) == ["1", *json.loads(processes.replace("'", '"'))[1:]]
    assert "ModuleNotFoundError" in cluster.run("web", "python3", "-c", "import pip")


def test_capabilities_are_those_asked_for(cluster: Cluster) -> None:
    def effective(name: str, **change: Any) -> str:
        cluster.pod(name, {**SLEEP, "securityContext": {"capabilities": change}})
        cluster.ready(name)
        return cluster.run(name, "grep", "CapEff", "/proc/self/status").split()[1]

    assert effective("usual") == "00000000a80425fb"  # what containerd gives
    assert effective("none", drop=["ALL"]) == "0" * 16
    assert effective("net", drop=["ALL"], add=["NET_ADMIN"]) == "0000000000001000"


def test_the_mesh_image_has_what_the_mesh_needs(cluster: Cluster) -> None:
    cluster.pod("mesh", {**SLEEP, "image": "smi-reference-mesh:dev"})
    cluster.ready("mesh")
    imports = "import aiohttp, cryptography.x509, smi_conformance.lab.mesh.ads; print('ok')"
    assert cluster.run("mesh", "python3", "-c", imports) == "ok\n"
    assert "version" in cluster.run("mesh", "envoy", "--version")


def test_an_unknown_image_is_waited_for(cluster: Cluster) -> None:
    cluster.pod("strange", {"image": "nginx:1"})
    reason = until(lambda: (s := cluster.container("strange")) and s.state.waiting.reason != "ContainerCreating" and s)
    assert reason.state.waiting.reason in ("ErrImagePull", "ImagePullBackOff")
    until(lambda: cluster.container("strange").state.waiting.reason == "ImagePullBackOff")
    assert "failed to pull image" in cluster.events("strange")["Failed"]
    assert cluster.read("strange").status.phase == "Pending"


def test_logs_of_this_run_and_of_the_one_before(cluster: Cluster) -> None:
    cluster.pod("crash", _shell("echo one; echo two; echo left > /dev/termination-log; exit 3"))
    until(lambda: (s := cluster.container("crash")) and s.restart_count >= 1 and s.state.waiting)
    status = cluster.container("crash")
    assert status.state.waiting.reason == "CrashLoopBackOff"
    assert (status.last_state.terminated.exit_code, status.last_state.terminated.message) == (3, "left\n")
    assert cluster.core.read_namespaced_pod_log("crash", cluster.namespace) == "one\ntwo\n"
    previous = cluster.core.read_namespaced_pod_log("crash", cluster.namespace, previous=True, tail_lines=1)
    assert previous == "two\n"
    with pytest.raises(ApiException) as caught:
        cluster.core.read_namespaced_pod_log("crash", cluster.namespace, container="other")
    assert caught.value.status == 400


def test_a_log_is_followed_to_its_end(cluster: Cluster) -> None:
    cluster.pod("count", _shell("for i in 1 2 3; do echo $i; sleep 0.1; done"), restartPolicy="Never")
    until(lambda: (s := cluster.container("count")) and s.state.waiting is None)
    response = cluster.core.read_namespaced_pod_log("count", cluster.namespace, follow=True, _preload_content=False)
    assert response.read() == b"1\n2\n3\n"
    until(lambda: cluster.read("count").status.phase == "Succeeded")
    assert condition(cluster.read("count"), "Ready") == "False"


def test_exec_has_streams_and_an_exit_code(cluster: Cluster) -> None:
    cluster.pod("web", SLEEP)
    cluster.ready("web")
    with cluster.session("web", "sh", "-c", "read line; echo out $line; echo err >&2; exit 7") as session:
        session.write_stdin("hello\n")
        session.run_forever(timeout=10)
        assert (session.read_stdout(), session.read_stderr(), session.returncode) == ("out hello\n", "err\n", 7)


def test_exec_with_a_terminal(cluster: Cluster) -> None:
    cluster.pod("web", SLEEP)
    cluster.ready("web")
    script = "import os; print(os.isatty(0), os.isatty(1), os.environ['TERM'])"
    with cluster.session("web", "python3", "-c", script, tty=True) as session:
        session.run_forever(timeout=10)
        output = session.read_all()
    assert output.strip() == "True True xterm"


def test_environment(cluster: Cluster) -> None:
    core, namespace = cluster.core, cluster.namespace
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "map"}, "data": {"color": "red"}})
    core.create_namespaced_secret(namespace, {"metadata": {"name": "key"}, "stringData": {"word": "sesame"}})
    env = [
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)-$(NONE)-$$(A)"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "color"}}},
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "key", "key": "word"}}},
        {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "x", "optional": True}}},
    ]
    container = {**SLEEP, "env": env, "envFrom": [{"configMapRef": {"name": "map"}, "prefix": "MAP_"}]}
    cluster.pod("web", container)
    cluster.ready("web")
    lines = dict(line.split("=", 1) for line in cluster.run("web", "env").splitlines())
    expected = {"A": "a", "B": "a-$(NONE)-$(A)", "POD": "web", "APP": "web", "COLOR": "red", "WORD": "sesame"}
    expected |= {"MAP_color": "red", "KUBERNETES_SERVICE_HOST": "10.96.0.1", "HOSTNAME": "web"}
    assert {name: lines.get(name) for name in expected} == expected
    assert lines["IP"] == cluster.read("web").status.pod_ip
    assert "GONE" not in lines


def test_a_missing_reference_is_waited_for(cluster: Cluster) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "x"}}}]
    cluster.pod("web", {**SLEEP, "env": env})
    until(lambda: (s := cluster.container("web")) and s.state.waiting.reason == "CreateContainerConfigError")
    assert 'configmap "late" not found' in cluster.container("web").state.waiting.message
    cluster.core.create_namespaced_config_map(cluster.namespace, {"metadata": {"name": "late"}, "data": {"x": "1"}})
    cluster.ready("web")


def test_volumes_and_their_updates(cluster: Cluster) -> None:
    core, namespace = cluster.core, cluster.namespace
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "map"}, "data": {"a": "1", "b": "2"}})
    core.create_namespaced_secret(namespace, {"metadata": {"name": "key"}, "stringData": {"s": "3"}})
    items = [{"key": "a", "path": "deep/a"}]
    projected = [
        {"serviceAccountToken": {"path": "token", "audience": "me"}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    volumes = [
        {"name": "whole", "configMap": {"name": "map"}},
        {"name": "part", "configMap": {"name": "map", "items": items, "defaultMode": 0o400}},
        {"name": "secret", "secret": {"secretName": "key"}},
        {"name": "mixed", "projected": {"sources": projected}},
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts = [{"name": v["name"], "mountPath": f"/v/{v['name']}"} for v in volumes]
    mounts.append({"name": "whole", "mountPath": "/etc/one", "subPath": "a"})
    cluster.pod("web", {**SLEEP, "volumeMounts": mounts}, volumes=volumes)
    cluster.ready("web")
    files = "cat /v/whole/a /v/whole/b /v/part/deep/a /v/secret/s /v/mixed/name /etc/one"
    assert cluster.run("web", "sh", "-c", files) == "1213web1"
    assert cluster.run("web", "stat", "-L", "-c", "%a", "/v/part/deep/a") == "400\n"
    assert cluster.run("web", "cat", "/v/mixed/token").count(".") == 2
    assert "Read-only" in cluster.run("web", "touch", "/v/whole/x")
    assert cluster.run("web", "sh", "-c", "touch /v/scratch/x && ls /v/scratch") == "x\n"
    core.patch_namespaced_config_map("map", namespace, {"data": {"a": "9", "b": None, "c": "8"}})
    until(lambda: cluster.run("web", "sh", "-c", "cat /v/whole/* /v/part/deep/a") == "989")


def test_a_host_path_is_refused(cluster: Cluster) -> None:
    cluster.pod("web", SLEEP, volumes=[{"name": "host", "hostPath": {"path": "/"}}])
    until(lambda: "FailedMount" in cluster.events("web"))
    assert "no volumes of type hostPath" in cluster.events("web")["FailedMount"]


def test_init_containers_run_in_order_and_share_volumes(cluster: Cluster) -> None:
    volumes = [{"name": "work", "emptyDir": {}}]
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    init = [
        {"name": "first", **_shell("echo first >> /work/order"), **mount},
        {"name": "side", "restartPolicy": "Always", **_shell("echo side >> /work/order; sleep 1000"), **mount},
        {"name": "second", **_shell("while ! grep -q side /work/order; do sleep 0.02; done"), **mount},
    ]
    cluster.pod("web", {**SLEEP, **mount}, initContainers=init, volumes=volumes)
    cluster.ready("web")
    assert cluster.run("web", "cat", "/work/order") == "first\nside\n"
    first, side, _ = cluster.read("web").status.init_container_statuses
    assert first.state.terminated.reason == "Completed"
    assert side.state.running is not None


def test_a_failing_init_container_holds_the_pod(cluster: Cluster) -> None:
    init = [{"name": "no", **_shell("exit 1")}]
    cluster.pod("held", SLEEP, initContainers=init)
    cluster.pod("failed", SLEEP, initContainers=init, restartPolicy="Never")
    until(lambda: cluster.read("failed").status.phase == "Failed")
    assert cluster.read("held").status.phase == "Pending"
    assert condition(cluster.read("held"), "Initialized") == "False"
    assert cluster.container("held").state.waiting.reason == "PodInitializing"


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_pod_that_ends(cluster: Cluster, policy: str) -> None:
    cluster.pod("job", _shell("exit 0"), restartPolicy=policy)
    until(lambda: cluster.read("job").status.phase == "Succeeded")
    assert cluster.container("job").restart_count == 0


def test_readiness_comes_and_goes(cluster: Cluster) -> None:
    check = {"exec": {"command": ["test", "-f", "/run/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    cluster.pod("web", {**SLEEP, "readinessProbe": check})
    until(lambda: "Unhealthy" in cluster.events("web"))
    assert condition(cluster.read("web"), "Ready") == "False"
    cluster.run("web", "touch", "/run/ready")
    cluster.ready("web")
    cluster.run("web", "rm", "/run/ready")
    until(lambda: condition(cluster.read("web"), "Ready") == "False")


def test_a_failing_liveness_probe_restarts(cluster: Cluster) -> None:
    check = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    cluster.pod("web", {**SLEEP, "livenessProbe": check}, terminationGracePeriodSeconds=0)
    until(lambda: (s := cluster.container("web")) and s.restart_count >= 1)
    assert "failed liveness probe" in cluster.events("web")["Killing"]


def test_http_and_startup_probes(cluster: Cluster) -> None:
    serve = {"command": ["python3", "-S", "-m", "http.server", "8080"]}
    get = {"httpGet": {"path": "/", "port": "http"}}
    ports = [{"name": "http", "containerPort": 8080}]
    cluster.pod("web", {**serve, "ports": ports, "startupProbe": get, "readinessProbe": get})
    missing = {"httpGet": {"path": "/none", "port": 8080}}
    cluster.pod("bad", {**serve, "readinessProbe": missing})
    cluster.ready("web")
    until(lambda: "statuscode: 404" in cluster.events("bad").get("Unhealthy", ""))


def test_a_deleted_pod_has_its_grace(cluster: Cluster) -> None:
    wait = "trap 'echo term; exit 0' TERM; while :; do sleep 0.05; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo stopping > /proc/1/fd/1"]}}}
    cluster.pod("kind", {**_shell(wait), "lifecycle": hook}, terminationGracePeriodSeconds=5)
    cluster.ready("kind")
    log = cluster.core.read_namespaced_pod_log("kind", cluster.namespace, follow=True, _preload_content=False)
    cluster.core.delete_namespaced_pod("kind", cluster.namespace)
    assert cluster.read("kind").metadata.deletion_timestamp is not None
    assert log.read() == b"stopping\nterm\n"
    until(lambda: not cluster.core.list_namespaced_pod(cluster.namespace).items)


def test_a_forced_deletion_does_not_wait(cluster: Cluster) -> None:
    cluster.pod("stubborn", _shell("trap '' TERM; while :; do sleep 1; done"), terminationGracePeriodSeconds=60)
    cluster.ready("stubborn")
    cluster.core.delete_namespaced_pod("stubborn", cluster.namespace, grace_period_seconds=0)
    assert not cluster.core.list_namespaced_pod(cluster.namespace).items
