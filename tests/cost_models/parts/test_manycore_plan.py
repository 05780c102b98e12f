"""A plan counts the clusters of all copies, and those that store tensors."""

from lionheart_opt.cost_models.parts.manycore_plan import Plan, Work
from lionheart_opt.cost_models.parts.pipeline import Graph
from lionheart_opt.synthetic import convolutional_workload


def test_clusters_of_a_plan():
    work = {
        "a": Work(clusters=3, slice_s=1.0, components={}),
        "b": Work(clusters=0, slice_s=1.0, components={}),
    }
    graph = Graph.of(convolutional_workload())
    plan = Plan(graph=graph, work=work, copies={"a": 2, "b": 5}, storage_clusters=4, interval_s=1.0)
    assert plan.clusters_of("a") == 6 and plan.clusters == 10
