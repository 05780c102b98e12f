"""Closer looks at hardware: its numbers, arrays, area, roofline, and the choice between systems."""
