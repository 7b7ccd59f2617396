// TreeShap for Python: check shapes, release the GIL, call. The arrays are kept alive by the caller's references.
#include <stdexcept>
#include <string>

#include "bindings.h"
#include "fastexplain/tree/tree_shap.h"
#include "forest_view.h"

namespace py = pybind11;
using fastexplain::ForestView;

namespace {

fastexplain::RowsView rows_of(const py::array& X) {
  const bool is_float32 = py::isinstance<py::array_t<float>>(X);
  if (X.ndim() != 2 || (!is_float32 && !py::isinstance<py::array_t<double>>(X)))
    throw py::type_error("X must be a 2-D float32 or float64 array");
  return {static_cast<const char*>(X.data()), X.shape(0), X.strides(0), X.strides(1), is_float32};
}

void explain(const fastexplain::TreeShap& self, const py::array& X, Array<double>& values, int max_points, int n_threads) {
  if (values.ndim() != 3 || values.shape(0) != X.shape(0))
    throw py::value_error("values must be 3-D with a row for each row of X");
  if (max_points < 1) throw py::value_error("max_points must be at least 1");
  const fastexplain::RowsView rows = rows_of(X);
  const fastexplain::ValuesView view{values.mutable_data(), values.shape(0), values.shape(1), values.shape(2)};
  const py::gil_scoped_release release;
  self.explain(rows, view, max_points, n_threads, python_interrupt_check());
}

}  // namespace

void bind_tree_shap(py::module_& m) {
  using fastexplain::TreeShap;
  py::class_<TreeShap>(m, "TreeShap", "A forest compiled for path-dependent Tree SHAP.")
      .def(py::init([](const py::object& forest, bool float32_lanes, int n_threads) {
             const ForestView view = view_of(forest);
             const py::gil_scoped_release release;
             using fastexplain::LaneType;
             return std::make_unique<TreeShap>(view, float32_lanes ? LaneType::kFloat32 : LaneType::kFloat64, n_threads);
           }),
           py::arg("forest"), py::kw_only(), py::arg("float32_lanes"), py::arg("n_threads"))
      // noconvert: a converted copy of values would be filled and thrown away.
      .def("explain", &explain, py::arg("X").noconvert(), py::arg("values").noconvert(), py::kw_only(), py::arg("max_points"),
           py::arg("n_threads"))
      .def_property_readonly("memory", &TreeShap::memory, "Bytes held by the compiled forest.");
}
