"""Analyses on a Ray cluster, in place of an `Analyzer` in this process: the package
`unmask-cluster`, which the library finds by its entry point.

A worker is an actor with its own models, loaded once; several clips run in it concurrently and
share its batches. Ray places the workers, restarts lost ones and scales the cluster. It is imported
on first use.

from cluster import ClusterAnalyzer, ClusterOptions

with ClusterAnalyzer(ClusterOptions("auto")) as cluster:
    analysis = cluster.analyze("clip.mp4")
"""

from cluster.analyzer import ClusterAnalyzer as ClusterAnalyzer
from cluster.connection import ClusterOptions as ClusterOptions
