"""Cost models, one file a system family; each registers under `lionheart_opt.cost_models`."""
