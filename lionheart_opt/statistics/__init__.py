"""What is known of each example, and the confidence bounds that follow."""
