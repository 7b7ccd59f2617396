// How much of a pair's margin becomes how much of a transformed output.
#pragma once

#include "fastexplain/tree/interventional_shap.h"

namespace fastexplain {

// (g(margin) - g(other)) / (margin - other) of the transform g; its slope where the two are equal.
double rescaling(const OutputTransform& transform, double margin, double other, double label);

}  // namespace fastexplain
