// TreeShap for Python: check shapes, release the GIL, call. The arrays are kept alive by the caller's references.
#include <stdexcept>
#include <string>

#include "bindings.h"
#include "fastexplain/tree_shap.h"

namespace py = pybind11;
using fastexplain::ForestView;

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
const T* data_of(const py::object& forest, const char* name, py::ssize_t expected = -1) {
  const py::object attribute = forest.attr(name);
  if (attribute.is_none()) return nullptr;
  if (!py::isinstance<Array<T>>(attribute))
    throw py::type_error(std::string("Forest.") + name + " has the wrong dtype or is not contiguous");
  const auto array = py::reinterpret_borrow<Array<T>>(attribute);
  if (expected >= 0 && array.size() != expected)
    throw py::value_error(std::string("Forest.") + name + " has " + std::to_string(array.size()) + " entries; expected " +
                          std::to_string(expected));
  return array.data();
}

// Pointers into the arrays of a fastexplain.models.Forest, which has checked their contents.
ForestView view_of(const py::object& forest) {
  ForestView view;
  view.n_features = forest.attr("n_features").cast<std::int32_t>();
  view.n_outputs = forest.attr("n_outputs").cast<std::int32_t>();
  view.n_leaf_outputs = forest.attr("n_leaf_outputs").cast<std::int32_t>();
  view.n_trees = forest.attr("n_trees").cast<std::int64_t>();
  const auto n_nodes = forest.attr("n_nodes").cast<py::ssize_t>();
  view.tree_offsets = data_of<std::int64_t>(forest, "tree_offsets", view.n_trees + 1);
  view.children_left = data_of<std::int32_t>(forest, "children_left", n_nodes);
  view.children_right = data_of<std::int32_t>(forest, "children_right", n_nodes);
  view.feature = data_of<std::int32_t>(forest, "feature", n_nodes);
  view.threshold = data_of<double>(forest, "threshold", n_nodes);
  view.default_left = reinterpret_cast<const std::uint8_t*>(data_of<bool>(forest, "default_left", n_nodes));
  view.cover = data_of<double>(forest, "cover", n_nodes);
  view.values = data_of<double>(forest, "values", n_nodes * view.n_leaf_outputs);
  view.tree_output = data_of<std::int32_t>(forest, "tree_output", view.n_trees);
  view.zero_is_missing = reinterpret_cast<const std::uint8_t*>(data_of<bool>(forest, "zero_is_missing", n_nodes));
  view.category_set = data_of<std::int32_t>(forest, "category_set", n_nodes);
  view.category_set_offsets = data_of<std::int64_t>(forest, "category_set_offsets");
  view.category_set_members = data_of<std::int32_t>(forest, "category_set_members");
  view.float32_input = forest.attr("float32_input").cast<bool>();
  view.missing_value = forest.attr("missing_value").cast<double>();
  view.has_missing_value = view.missing_value == view.missing_value;
  return view;
}

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
