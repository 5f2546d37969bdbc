"""The pod of the Kubernetes manifest, run by podman: its configuration, volumes, user, limits and confinement.

What is another here: the store, as there is no cluster of it; one replica; and the seccomp profile is named
by the annotation that podman reads. Probes, services and rollouts take a cluster.
"""

import os
import re
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "faults")]
import images  # noqa: E402
from load import Client, predict  # noqa: E402
from support import ROOT  # noqa: E402

MANIFEST = HERE / "kubernetes/shardgate.yaml"
PORT, MODEL = 8888, "credit-risk"
POD, CONTAINER, MEMORY = "shardgate-pod-0", "shardgate-pod-0-shardgate", 2 << 30
CHANGED = {
    "scylla://scylla-client.scylla.svc:9042/features": "embedded:/var/lib/shardgate/.cache/features",
    "replicas: 3": "replicas: 1",
    'prometheus.io/port: "9888"': 'prometheus.io/port: "9888"\n        '
    "container.seccomp.security.alpha.kubernetes.io/shardgate: localhost/shardgate.json",
}
ANSWERS_WITHIN_S = 60


def manifest():
    """The configuration and the deployment, as podman can have them."""
    objects = MANIFEST.read_text().split("\n---\n")
    text = "\n---\n".join(each for each in objects if re.search(r"^kind: (ConfigMap|Deployment)$", each, re.M))
    for old, new in CHANGED.items():
        if text.count(old) != 1:
            sys.exit(f"{MANIFEST.name}: found `{old}` {text.count(old)} times, expected once")
        text = text.replace(old, new)
    return text


def play(podman, image, files, folder):
    """Starts the pod; `files` is how many descriptors this process may give."""
    podman("tag", image, "shardgate:0.1.0")
    podman("volume", "create", "models")
    volume = podman("volume", "inspect", "models", "--format", "{{.Mountpoint}}").stdout.strip()
    shutil.copytree(ROOT / "models" / MODEL, Path(volume) / MODEL)
    (folder / "seccomp").mkdir()
    shutil.copy(HERE / "seccomp.json", folder / "seccomp/shardgate.json")
    (folder / "pod.yaml").write_text(manifest())
    settings = folder / "containers.conf"
    settings.write_text(f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]\n')
    os.environ["CONTAINERS_CONF"] = str(settings)
    podman("kube", "play", "--seccomp-profile-root", folder / "seccomp", folder / "pod.yaml")


def first_answer(podman):
    until, error = time.monotonic() + ANSWERS_WITHIN_S, None
    while time.monotonic() < until:
        try:
            return Client(PORT).ask(predict("applicant-0001"))
        except OSError as found:
            error = found
            time.sleep(0.2)
    logs = podman("logs", CONTAINER, check=False)
    sys.exit(f"the pod does not answer: {error}\n{(logs.stdout + logs.stderr)[-2000:]}")


def try_manifest(podman, image, files, folder):
    """The pod serves as the manifest says, and stops."""
    # The pod's first process is catatonit; the network plugins make its bridge.
    why = images.missing("catatonit", "iptables")
    if not why and not Path("/usr/lib/cni/bridge").exists():
        why = "missing: the bridge of containernetworking-plugins"
    if why:
        print(f"untried pod: {why} (Debian: catatonit, containernetworking-plugins, iptables)")
        return
    play(podman, image, files, folder)
    status, _, body = first_answer(podman)
    inside = podman("exec", CONTAINER, "cat", "/proc/1/status").stdout
    facts = dict(line.split(":\t", 1) for line in inside.splitlines() if ":\t" in line)
    limits = podman("inspect", CONTAINER, "--format",
                    "{{.HostConfig.Memory}} {{.HostConfig.ReadonlyRootfs}}").stdout.split()
    found = (status, facts["Uid"].split()[0], int(facts["CapEff"], 16), facts["Seccomp"],
             facts["NoNewPrivs"], *limits)
    if found != (200, "10001", 0, "2", "1", str(MEMORY), "true"):
        sys.exit(f"the pod is not as its manifest says: {found} {body}")
    podman("pod", "stop", "--time", "20", POD)
    code = podman("inspect", "--format", "{{.State.ExitCode}}", CONTAINER).stdout.strip()
    if code != "0":
        sys.exit(f"the pod ended with {code}")
    podman("pod", "rm", "--force", POD)
    print("ok pod: that of shardgate.yaml answers, confined and limited as it says, and stops with 0", flush=True)
