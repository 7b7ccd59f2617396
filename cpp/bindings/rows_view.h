// Rows to explain, as the kernels of Tree SHAP take them.
#pragma once

#include "checks.h"
#include "fastexplain/tree/views.h"

// Rows of float32 or float64, of any strides; errors call them `name`.
template <class Rows>
inline fastexplain::RowsView rows_view(const Rows& rows, const char* name, std::int64_t n_features) {
  const bool is_float32 = rows.template holds<float>();
  if (!is_float32 && !rows.template holds<double>())
    throw py::type_error(text_of(name, " must hold float32 or float64; got ", rows.dtype()));
  const std::int64_t n_rows = rows.template dims<2>()[0];
  return {.data = static_cast<const char*>(rows.of_shape({n_rows, n_features})),
          .n_rows = n_rows,
          .row_stride = rows.stride(0),
          .column_stride = rows.stride(1),
          .is_float32 = is_float32};
}
