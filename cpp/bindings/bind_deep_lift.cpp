// DeepLift for Python: check shapes, release the GIL, call. The arrays are kept alive by the caller's references.
#include <string>
#include <vector>

#include "bindings.h"
#include "fastexplain/deep/deep_lift.h"

namespace py = pybind11;
using fastexplain::ActivationsView;
using fastexplain::DeepLift;

namespace {

using Array = py::array_t<double, py::array::c_style>;

std::unique_ptr<DeepLift> make(const std::vector<Array>& weights, const std::vector<int>& rules) {
  if (weights.empty() || weights.size() != rules.size()) throw py::value_error("expected one rule for each of the weights");
  std::vector<fastexplain::DenseLayerView> layers;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].ndim() != 2 || (i > 0 && weights[i].shape(0) != weights[i - 1].shape(1)))
      throw py::value_error("weights " + std::to_string(i) + " must be 2-D and as tall as the layer before is wide");
    if (rules[i] < 0 || rules[i] > 4 || (rules[i] == 4 && i + 1 < weights.size()))
      throw py::value_error("rules must be 0 to 4, and 4 (softmax) is for the last layer");
    layers.push_back(
        {weights[i].data(), weights[i].shape(0), weights[i].shape(1), static_cast<fastexplain::UnitRule>(rules[i])});
  }
  const py::gil_scoped_release release;
  return std::make_unique<DeepLift>(layers);
}

// (preactivations, values, slopes, thresholds or None, features)
ActivationsView view_of(const py::tuple& arrays, std::int64_t stride, std::int64_t n_features, bool with_thresholds) {
  if (arrays.size() != 5) throw py::value_error("expected five arrays");
  const double* found[5] = {};
  std::int64_t n_rows = -1;
  for (int i = 0; i < 5; ++i) {
    if (i == 3 && !with_thresholds) continue;
    const py::handle item = arrays[static_cast<std::size_t>(i)];
    if (!py::isinstance<Array>(item)) throw py::type_error("activations must be C-contiguous float64 arrays");
    const auto array = py::reinterpret_borrow<Array>(item);
    const std::int64_t width = i == 4 ? (n_features + DeepLift::kPad - 1) / DeepLift::kPad * DeepLift::kPad : stride;
    if (array.ndim() != 2 || array.shape(1) != width || (n_rows >= 0 && array.shape(0) != n_rows))
      throw py::value_error("activations " + std::to_string(i) + " must have " + std::to_string(width) +
                            " columns and as many rows as the others");
    n_rows = array.shape(0);
    found[i] = array.data();
  }
  return {found[0], found[1], found[2], found[3], found[4], n_rows};
}

void explain(const DeepLift& self, const py::tuple& rows, const py::tuple& background, const Array& weights, Array& values,
             int n_threads) {
  if (values.ndim() != 3) throw py::value_error("values must be 3-D");
  const ActivationsView row_view = view_of(rows, self.stride(), values.shape(1), true);
  const ActivationsView background_view = view_of(background, self.stride(), values.shape(1), false);
  if (values.shape(0) != row_view.n_rows) throw py::value_error("values must have a row for each row of activations");
  if (values.shape(1) != self.n_features() || values.shape(2) != self.n_outputs())
    throw py::value_error("values must have the network's features and outputs");
  if (weights.ndim() != 1 || weights.size() != background_view.n_rows)
    throw py::value_error("expected one weight for each background row");
  if (n_threads < 1) throw py::value_error("n_threads must be at least 1");
  double* out = values.mutable_data();
  const py::gil_scoped_release release;
  self.explain(row_view, background_view, weights.data(), out, n_threads, python_interrupt_check());
}

}  // namespace

void bind_deep_lift(py::module_& m) {
  py::class_<DeepLift>(m, "DeepLift", "A network of dense layers, packed for the rescale rule.")
      .def(py::init(&make), py::arg("weights"), py::arg("rules"))
      // noconvert: a converted copy of values would be filled and thrown away.
      .def("explain", &explain, py::arg("rows"), py::arg("background"), py::arg("weights").noconvert(),
           py::arg("values").noconvert(), py::kw_only(), py::arg("n_threads"))
      .def_property_readonly("stride", &DeepLift::stride, "Columns of an array of activations.");
}
