"""Scripts that fit the parameters that no paper prints; each names the published numbers it fits to."""
