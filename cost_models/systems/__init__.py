"""Systems as TOML files; the file's stem is the system's name."""
