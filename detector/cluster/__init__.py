"""Analyses on a Ray cluster, in place of an `Analyzer` in this process.

A worker is an actor with its own models, loaded once; several clips run in it concurrently and
share its batches. Ray places the workers, restarts lost ones and scales the cluster. It is imported
on first use.

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
    """Return the analyzer of the cluster at UNMASK_RAY_ADDRESS or another address; None without an
    address. Raise UsageError or ClusterError."""
    options = ClusterOptions.configured(address, isolate=isolate)
    return None if options is None else ClusterAnalyzer(options, device=device)
