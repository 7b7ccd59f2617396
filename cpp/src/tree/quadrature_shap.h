// Path-dependent Tree SHAP by quadrature over compiled trees: the way of all trees that tables do not serve, however deep.
#pragma once

#include <cstddef>
#include <vector>

#include "fastexplain/parallel.h"
#include "fastexplain/tree/views.h"
#include "tree/tree_program.h"

namespace fastexplain {

template <class T>
class QuadratureShap {
 public:
  explicit QuadratureShap(ForestProgram<T> program);

  bool empty() const { return program_.trees.empty(); }

  // Writes values, or adds to them. See TreeShap::explain.
  void explain(const RowsView& rows, const ValuesView& values, bool add, int max_points, int n_threads,
               const InterruptCheck& check) const;

  std::size_t memory() const;

 private:
  class Call;
  ForestProgram<T> program_;
  std::vector<std::vector<std::vector<CategoryColumn>>> category_columns_;  // [tree][block]: views of program_
};

}  // namespace fastexplain
