"""Raw features: the user's transformations at work, and the map from their outputs back to their columns."""
