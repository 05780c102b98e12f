"""What several strategies share: prices, profiles, loss models and exact programmes."""
