"""Places where explanations are kept beside the runs that made them."""
