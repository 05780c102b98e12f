"""The accuracy oracle: hardware-aware training, programming, drift and measurement."""
