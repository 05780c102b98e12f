"""What searches found: read back, measured, compared, exported."""
