// Path-dependent Tree SHAP of a forest, exact up to rounding.
//
// Lundberg et al. 2020 (Algorithm 2) define the values; the kernel integrates them over the probability that a feature is
// present, by Gauss-Legendre quadrature in a form without divisions per row (cpp/src/isa/kernel_body.inc).
#pragma once

#include <cstddef>
#include <memory>

#include "fastexplain/parallel.h"
#include "fastexplain/tree/forest.h"
#include "fastexplain/tree/views.h"

namespace fastexplain {

enum class LaneType { kFloat32, kFloat64 };

struct TreeShapOptions {
  // What tables of attributions may take, which are filled when the forest is compiled. Half as much again holds what a large
  // call fills the tables from that have no room.
  std::size_t table_bytes = 64u << 20;
  // Limit of the states of a table; below 2 there are none, and every tree is left to the quadrature kernel.
  int max_states = 256;
};

// A forest compiled for the kernel. Immutable; safe to use from several threads. Copies what it needs of the ForestView.
class TreeShap {
 public:
  TreeShap(const ForestView& forest, LaneType lanes, int n_threads, const TreeShapOptions& options = {});
  ~TreeShap();

  // Writes every entry of values, base values excluded: they sum to the raw output less its expectation.
  //
  // max_points caps the quadrature points per tree: ceil(d / 2) are exact for d distinct features on a path. Fewer are close
  // on rows like the training data only (see the Python function). Rows must have n_features columns, and values the shape
  // (rows.n_rows, n_features, n_outputs). Memory beyond values: a few MB per thread.
  //
  // The result's bits do not depend on n_threads or on the instruction set; nor on the other rows, while `turn` is 0.
  // n_rows_of_call: rows of a call that is made in parts, so that each is explained as the whole would be.
  //
  // Throws what check throws, and std::bad_alloc.
  void explain(const RowsView& rows, const ValuesView& values, int max_points, int n_threads, const InterruptCheck& check = {},
               std::int64_t n_rows_of_call = 0) const;

  // Rows for which a call of so many fills tables once, where it fills any; else 0. Parts of a call should have no fewer.
  std::int64_t turn(std::int64_t n_rows_of_call) const;

  std::int64_t n_features() const { return n_features_; }
  std::int64_t n_outputs() const { return n_outputs_; }

  // Bytes held by the compiled forest.
  std::size_t memory() const;

 private:
  class Impl;
  template <class T>
  class ImplOf;
  std::int64_t n_features_, n_outputs_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fastexplain
