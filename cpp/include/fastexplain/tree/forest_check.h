// Whether trees of unknown origin are trees: kernels follow their links without looking.
#pragma once

#include <cstdint>

#include "fastexplain/tree/forest.h"

namespace fastexplain {

// Lengths of a forest's arrays that ForestView does not say. Those of the others follow: n_trees, and n_trees + 1 offsets;
// n_nodes entries of what nodes have, n_leaf_outputs times as many values; n_sets + 1 offsets of sets.
struct ForestLengths {
  std::int64_t n_nodes = 0;
  std::int64_t n_sets = 0;
  std::int64_t n_members = 0;  // of all sets
};

// Kernels keep arrays of one place per feature: a damaged count must not ask for all memory.
inline constexpr std::int64_t kMostFeatures = 1 << 24;

// Throws std::invalid_argument, which names array and place, unless every walk ends in a leaf of its tree, every node is
// reached by one way at most, and every feature, output and set of categories that a node names is there. Trees may be of any
// depth: nothing in the kernels recurses. Covers and values are any numbers.
//
// Reads nothing outside of the arrays, whatever is in them. O(n_nodes) time, a bit per node.
void check_forest(const ForestView& forest, const ForestLengths& lengths);

}  // namespace fastexplain
