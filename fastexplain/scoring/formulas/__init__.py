"""Models with a known formula as content and arrays, and back: one file per family of formulas."""
