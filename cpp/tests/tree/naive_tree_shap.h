// Path-dependent Tree SHAP from its definition: every coalition of a tree's features is evaluated. Slow, short, and sharing no
// idea with the kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "fastexplain/tree/forest.h"

namespace fastexplain::testing {

// Attributions (n_rows, n_features, n_outputs) of rows (n_rows, n_features), C order. Work per row and tree: 2^d times the
// nodes, for d distinct features in the tree.
std::vector<double> naive_tree_shap(const ForestView& forest, const std::vector<double>& rows);

// The same where absent features are taken from background rows, each of which counts by its weight.
std::vector<double> naive_interventional(const ForestView& forest, const std::vector<double>& rows,
                                         const std::vector<double>& background, const std::vector<double>& weights);

// Raw outputs less the expected ones, (n_rows, n_outputs): what the attributions of a row must sum to.
// For trees of at most 64 distinct features.
std::vector<double> naive_gain(const ForestView& forest, const std::vector<double>& rows);

}  // namespace fastexplain::testing
