"""Constants of a system fitted to measured costs."""
