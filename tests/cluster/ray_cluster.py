"""A Ray cluster of two nodes on loopback, in a process of its own.

Prints its address. Then each line on standard input kills something: `worker`, a process that
predicts; `node`, the node that is not the head. What was killed is printed.
"""

import sys

import psutil
from ray.cluster_utils import Cluster

from foodvision.system.telemetry import switch_off_telemetry


def predicting_processes():
    """Ray names its processes by what they run; those that are killed leave at once."""
    for process in psutil.Process().children(recursive=True):
        try:
            title = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if title.startswith("ray::") and "Predictor" in title:
            yield process


def main():
    switch_off_telemetry()
    # Ray would replace 127.0.0.1 by the network's address.
    node = {"num_cpus": 1, "object_store_memory": 200_000_000, "node_ip_address": "127.0.0.2"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    other = cluster.add_node(**node)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "worker":
            killed = next(predicting_processes(), None)
            if killed:
                killed.kill()
        else:
            cluster.remove_node(other, allow_graceful=False)
            killed = other
        print("killed" if killed else "nothing to kill", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
