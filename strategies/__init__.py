"""Search methods, one a file; each registers under the entry points `lionheart_opt.strategies`."""
