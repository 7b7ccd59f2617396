"""Training of surrogates; what interpret-community keeps here is private, and has this one name in common with ours."""

from __future__ import annotations

from fastexplain.explainers.mimic.distillation import soft_logit as _soft_logit

__all__ = ["_soft_logit"]
