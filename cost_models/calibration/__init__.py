"""Scripts that fit the parameters which no paper prints; each says to which published numbers."""
