"""What the cost models of this folder share: timings, packing, pipelines, fusion."""
