"""Permutation importance: what is replaced, what the model then predicts, and how sure the drop in score is."""
