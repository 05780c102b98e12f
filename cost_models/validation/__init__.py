"""Published numbers of each system beside what its cost model says of them."""
