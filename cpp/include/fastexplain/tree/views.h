// Borrowed arrays, as kernels see them. Nothing here owns memory.
#pragma once

#include <cstdint>

namespace fastexplain {

// Rows to explain: float32 or float64, any strides (in bytes).
struct RowsView {
  const char* data;
  std::int64_t n_rows;
  std::int64_t row_stride;
  std::int64_t column_stride;
  bool is_float32;
};

// Attributions, C order, (n_rows, n_features, n_outputs).
struct ValuesView {
  double* data;
  std::int64_t n_rows;
  std::int64_t n_features;
  std::int64_t n_outputs;
};

}  // namespace fastexplain
