"""Published numbers of each system beside the predictions of its cost model."""
