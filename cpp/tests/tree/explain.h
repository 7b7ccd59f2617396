// Calls TreeShap on rows of doubles.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "fastexplain/tree/tree_shap.h"
#include "forests.h"

namespace fastexplain::testing {

inline constexpr int kExact = 1 << 20;  // max_points that caps nothing

struct How {
  LaneType lanes = LaneType::kFloat64;
  int n_threads = 1;
  int max_points = kExact;
  TreeShapOptions options = {};
};

// Every tree left to the quadrature kernel.
inline constexpr TreeShapOptions kNoTables{.table_bytes = 0, .max_states = 0};

inline RowsView view_of(const std::vector<double>& rows, std::int32_t n_features) {
  return {reinterpret_cast<const char*>(rows.data()), static_cast<std::int64_t>(rows.size()) / n_features,
          n_features * static_cast<std::int64_t>(sizeof(double)), sizeof(double), false};
}

// Attributions (n_rows, n_features, n_outputs); filled with a wrong value before, to show what is not written.
inline std::vector<double> explain(const TreeShap& shap, const ForestArrays& forest, const RowsView& rows, How how = {}) {
  std::vector<double> values(rows.n_rows * forest.n_features() * forest.n_outputs(), 1e9);
  shap.explain(rows, {values.data(), rows.n_rows, forest.n_features(), forest.n_outputs()}, how.max_points, how.n_threads);
  return values;
}

// Rows that are a part of a call of n_rows_of_call.
inline std::vector<double> explain_part(const TreeShap& shap, const ForestArrays& forest, const RowsView& rows, int n_threads,
                                        std::int64_t n_rows_of_call) {
  std::vector<double> values(rows.n_rows * forest.n_features() * forest.n_outputs(), 1e9);
  shap.explain(rows, {values.data(), rows.n_rows, forest.n_features(), forest.n_outputs()}, kExact, n_threads, {},
               n_rows_of_call);
  return values;
}

inline std::vector<double> explain(const ForestArrays& forest, const std::vector<double>& rows, How how = {}) {
  return explain(TreeShap(forest.view(), how.lanes, how.n_threads, how.options), forest, view_of(rows, forest.n_features()),
                 how);
}

inline double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;  // NaN stays
    if (difference != difference) return difference;
  }
  return largest;
}

}  // namespace fastexplain::testing
