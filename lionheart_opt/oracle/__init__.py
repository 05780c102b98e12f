"""The accuracy oracle: data splits, hardware-aware training, programming and drift."""
