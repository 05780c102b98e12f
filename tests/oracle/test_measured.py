"""What an oracle measures: the metric of its data's task, as a share of the baseline if asked."""

from oracle_setup import small_oracle


def test_a_relative_limit_makes_the_metric_relative(tmp_path):
    oracle = small_oracle(tmp_path)
    assert oracle.task is oracle.splits.train.task and not oracle.metric.relative
    oracle.relative = True
    assert oracle.metric.relative and oracle.metric.name == oracle.task.metric.name
