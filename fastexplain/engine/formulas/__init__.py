"""Models with a known formula: found in a prediction function, and played as games without calling it."""
