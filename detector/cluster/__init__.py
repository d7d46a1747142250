"""Analyses on the machines of a Ray cluster, in the place of an `Analyzer` of this process.

A worker is an actor with models of its own, loaded once; several clips go through it side by side
and share its batches. Which machine has room, what is run again when a machine is lost, and how
many machines there are is Ray's business. Ray is imported when a cluster is asked for.

from detector.cluster import ClusterAnalyzer, ClusterOptions

with ClusterAnalyzer(ClusterOptions("auto")) as cluster:
    analysis = cluster.analyze("clip.mp4")
"""

from detector.cluster.analyzer import ClusterAnalyzer as ClusterAnalyzer
from detector.cluster.connection import ClusterOptions as ClusterOptions
from detector.pipeline import RemoteAnalyzer


def open_remote(
    address: str = "", *, isolate: bool = False, device: str = "auto"
) -> RemoteAnalyzer | None:
    """Return what analyzes files in the place of this process: the cluster of UNMASK_RAY_ADDRESS,
    or of another address; None without one. Raise UsageError or ClusterError."""
    options = ClusterOptions.configured(address, isolate=isolate)
    return None if options is None else ClusterAnalyzer(options, device=device)
