// A Forest compiled for the Tree SHAP kernel: every tree as a linear program over numbered decisions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fastexplain/tree/forest.h"
#include "isa/tree_ops.h"
#include "tree/encoding.h"

namespace fastexplain {

// Category masks of up to 64 categorical nodes of one tree: masks[code] has bit i set if that code takes the first child of the
// i-th of them. A row's word is the OR over the block's columns; a 64 x 64 bit transpose gives the nodes' words.
struct CategoryBlock {
  struct ColumnMasks {
    std::uint32_t column;
    std::vector<std::uint64_t> masks;
  };
  std::vector<ColumnMasks> columns;
  std::vector<std::uint32_t> nodes;  // decision number of bit i
};

template <class T>
struct TreeProgram {
  std::vector<Op> ops;
  std::vector<Decision> decisions;
  std::vector<NodeConstants<T>> constants;
  // [decision][side][leaf output], zero where the child is no leaf. Below a node with one leaf, values are less that leaf's.
  std::vector<T> leaf_values;
  // [decision][leaf output]: what the point t = 0 adds to the node's sum over points, A K (V_L - V_R) there; of a node inside
  // its parent without a subtree or twig below, A K. Zero where the rule has no such point.
  std::vector<T> at_zero;
  std::vector<CategoryBlock> category_blocks;
  std::vector<std::int32_t> features;  // by slot: the tree's own features, each as a position in ForestProgram::features
  std::int32_t n_levels = 0;
  // Quadrature points besides t = 0, for d distinct features on a path, at most: d / 2, rounded down where t = 0 is a point of
  // the rule (Gauss-Radau), else up (Gauss-Legendre). At t = 0 nothing depends on a row, so that it costs no time. A tree with
  // a split that sent no training row one way goes without: the algebra divides by the shares then.
  std::int32_t n_points = 0;
  bool has_zero_point = false;
  std::int32_t output = 0;  // that the tree adds to, if it has one leaf output
};

// Trees of a forest, compiled.
template <class T>
struct ForestProgram {
  std::shared_ptr<const Encoding> encoding;
  std::vector<TreeProgram<T>> trees;  // without single-leaf trees, which attribute nothing
  std::vector<std::int64_t> bundles;  // bounds of the runs of trees that are summed apart (see quadrature_shap.cpp)
  std::int32_t max_levels = 0, max_points = 0, max_slots = 0;
  std::size_t max_decisions = 0;
};

// A tree to compile, and what is left of it where tables take over some of its leaves.
struct TreePart {
  std::int64_t tree;
  std::vector<std::int64_t> cut_off;  // roots of subtrees that count as leaves of value zero
};

inline std::vector<TreePart> whole_trees(const ForestView& forest) {
  std::vector<TreePart> parts;
  for (std::int64_t tree = 0; tree < forest.n_trees; ++tree) parts.push_back({tree, {}});
  return parts;
}

// Share of a node's training rows that its first child got, by the covers of its children.
inline double first_share(double first_cover, double second_cover) {
  const double both = first_cover + second_cover;
  return both > 0 ? first_cover / both : 0.5;  // no training row came here: neutral
}

// Mean output of a tree over its training rows, [leaf output]. Leaf values are taken less it, which changes no attribution:
// what all leaves have in common would cost float32 its digits. Zero where that difference overflows.
std::vector<double> expectation(const ForestView& forest, std::int64_t tree);

// Bounds of a few runs of consecutive trees of about equal work. Depends on the model only: the order of summation, and so
// every bit of the result, is the same for any number of rows or threads.
std::vector<std::int64_t> balanced_bundles(const std::vector<std::size_t>& work);

template <class T>
ForestProgram<T> compile_trees(const ForestView& forest, std::shared_ptr<const Encoding> encoding,
                               const std::vector<TreePart>& parts, int n_threads);

// All trees.
template <class T>
ForestProgram<T> compile_forest(const ForestView& forest, int n_threads);

}  // namespace fastexplain
