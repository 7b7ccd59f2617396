// TreeShap for Python.
#include <memory>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/tree/tree_shap.h"
#include "forest_view.h"
#include "rows_view.h"

using fastexplain::LaneType;
using fastexplain::TreeShap;

namespace {

std::unique_ptr<TreeShap> make(const py::object& forest, bool float32_lanes, Threads n_threads, std::int64_t table_bytes,
                               int max_states) {
  require(table_bytes >= 0, "table_bytes must not be negative; got ", table_bytes);
  require(max_states >= 0, "max_states must not be negative; got ", max_states);
  const BorrowedForest borrowed(forest);
  const py::gil_scoped_release release;
  return std::make_unique<TreeShap>(borrowed.view(), float32_lanes ? LaneType::kFloat32 : LaneType::kFloat64, n_threads,
                                    fastexplain::TreeShapOptions{static_cast<std::size_t>(table_bytes), max_states});
}

void explain(const TreeShap& self, const In<"X", void, Layout::kStrided>& X, const Out<"values", double>& values,
             int max_points, Threads n_threads, std::int64_t n_rows_of_call) {
  require(max_points >= 1, "max_points must be at least 1; got ", max_points);
  const std::int64_t n_features = self.n_features(), n_outputs = self.n_outputs();
  const fastexplain::RowsView rows = rows_view(X, "X", n_features);
  const fastexplain::ValuesView view{.data = values.of_shape({rows.n_rows, n_features, n_outputs}),
                                     .n_rows = rows.n_rows,
                                     .n_features = n_features,
                                     .n_outputs = n_outputs};
  if (values.empty()) return;
  const py::gil_scoped_release release;
  self.explain(rows, view, max_points, n_threads, python_interrupt_check(), n_rows_of_call);
}

}  // namespace

void bind_tree_shap(py::module_& m) {
  py::class_<TreeShap>(m, "TreeShap", "A forest compiled for path-dependent Tree SHAP.")
      .def(py::init(&make), py::arg("forest"), py::kw_only(), py::arg("float32_lanes"), py::arg("n_threads"),
           py::arg("table_bytes") = fastexplain::TreeShapOptions{}.table_bytes,
           py::arg("max_states") = fastexplain::TreeShapOptions{}.max_states)
      .def("explain", &explain, py::arg("X"), py::arg("values"), py::kw_only(), py::arg("max_points"), py::arg("n_threads"),
           py::arg("n_rows_of_call") = 0,
           "Write values (n_rows, n_features, n_outputs) of the rows of X, float32 or float64 of any strides. With X a part of "
           "a call's rows, n_rows_of_call is their number.")
      .def("turn", &TreeShap::turn, py::arg("n_rows_of_call"),
           "Rows for which a call of so many fills tables once, where it fills any; else 0.")
      .def_property_readonly("memory", &TreeShap::memory, "Bytes held by the compiled forest.");
}
