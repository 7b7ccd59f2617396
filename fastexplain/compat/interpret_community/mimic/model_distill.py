"""Training of surrogates; interpret-community keeps functions of its own here, all private."""
