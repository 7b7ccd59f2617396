// A Forest compiled for the Tree SHAP kernel: every tree as a linear program over numbered decisions.
//
// Rows reach the kernel as small integer codes. A numerical column's code is the number of that column's thresholds (over the
// whole forest) that are below the value, so that `x <= threshold_k` is exactly `code <= k`, whatever the width of the lanes.
// A categorical column's code numbers the categories that any of its sets names, then "any other", then "missing".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fastexplain/tree/forest.h"
#include "isa/tree_ops.h"

namespace fastexplain {

// A model feature under one missing rule (a forest may split one feature under two of them).
struct Column {
  std::int32_t feature;
  bool categorical;
  bool zero_is_missing;
  // Numerical: thresholds in rising order. Categorical: the categories, in rising order.
  std::vector<double> cuts;

  // Codes of a categorical column: 0 .. cuts.size() - 1, then these two.
  std::int32_t other_code() const { return static_cast<std::int32_t>(cuts.size()); }
  std::int32_t missing_code() const { return static_cast<std::int32_t>(cuts.size()) + 1; }
  std::int32_t n_codes() const { return static_cast<std::int32_t>(cuts.size()) + 2; }
};

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
  std::vector<T> leaf_values;  // [decision][side][leaf output], zero where the child is no leaf
  std::vector<CategoryBlock> category_blocks;
  std::vector<std::int32_t> features;  // by slot: the tree's own features, each as a position in ForestProgram::features
  std::int32_t n_levels = 0;
  std::int32_t n_points = 0;  // ceil(d / 2), d = most distinct features on a path
  std::int32_t output = 0;    // that the tree adds to, if it has one leaf output
};

// Everything about a forest that does not depend on the rows.
template <class T>
struct ForestProgram {
  std::int32_t n_features = 0;
  std::int32_t n_outputs = 0;
  std::int32_t n_leaf_outputs = 0;
  bool float32_input = false;
  bool has_missing_value = false;
  bool wide_codes = false;  // int32 codes; else int16
  double missing_value = 0.0;
  std::vector<Column> columns;
  std::vector<std::int32_t> features;  // that the forest splits on, rising
  std::vector<TreeProgram<T>> trees;   // without single-leaf trees, which attribute nothing
  std::vector<std::int64_t> bundles;   // bounds of the runs of trees that are summed apart (see tree_shap.cpp)
  std::int32_t max_levels = 0, max_points = 0, max_slots = 0;
  std::size_t max_decisions = 0;
};

template <class T>
ForestProgram<T> compile_forest(const ForestView& forest, int n_threads);

}  // namespace fastexplain
