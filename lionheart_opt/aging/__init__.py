"""How long a mapping keeps its limit on drifting chips, and what calibrating them takes."""
