// DeepLift for Python.
#include <memory>
#include <string>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/deep/deep_lift.h"

using fastexplain::ActivationsView;
using fastexplain::DeepLift;
using fastexplain::DenseLayerView;
using fastexplain::UnitRule;

namespace {

std::unique_ptr<DeepLift> make(const std::vector<py::object>& weights, const std::vector<int>& rules) {
  constexpr int kLastRule = static_cast<int>(UnitRule::kSoftmax);
  require(!weights.empty(), "weights must hold a layer");
  require(rules.size() == weights.size(), "rules must hold one rule for each of the weights, ", weights.size(), "; got ",
          rules.size());
  std::vector<DenseLayerView> layers;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::string name = text_of("weights[", i, "]");
    const Array<const double> weight(weights[i], name.c_str());
    const auto [n_in, n_out] = weight.dims<2>();
    require(n_in >= 1 && n_out >= 1, name, " must have a row and a column; got shape (", n_in, ", ", n_out, ")");
    require(rules[i] >= 0 && rules[i] <= kLastRule, "rules[", i, "] is ", rules[i], "; expected 0 .. ", kLastRule);
    const auto rule = static_cast<UnitRule>(rules[i]);
    require(rule != UnitRule::kSoftmax || i + 1 == weights.size(), "rules[", i, "] is ", rules[i],
            ", softmax, which is for the last layer");
    const std::int64_t expected = i == 0 ? n_in : layers.back().n_out;
    layers.push_back({.weight = weight.of_shape({expected, n_out}), .n_in = n_in, .n_out = n_out, .rule = rule});
  }
  const py::gil_scoped_release release;
  return std::make_unique<DeepLift>(layers);
}

// What a forward pass left: attributes of a Python object, held for as long as the kernel reads them.
class Activations {
 public:
  // thresholds: whether to read them.
  Activations(const py::object& given, const char* owner, const DeepLift& network, bool thresholds) {
    const Array<const double> preactivations = attribute(given, owner, "preactivations");
    const std::int64_t n_rows = preactivations.dims<2>()[0], width = network.stride();
    const std::int64_t n_padded = (network.n_features() + DeepLift::kPad - 1) / DeepLift::kPad * DeepLift::kPad;
    const auto units = [&](const char* name) { return attribute(given, owner, name).of_shape({n_rows, width}); };
    view_ = {.preactivations = preactivations.of_shape({n_rows, width}),
             .values = units("values"),
             .slopes = units("slopes"),
             .thresholds = thresholds ? units("thresholds") : nullptr,
             .features = attribute(given, owner, "features").of_shape({n_rows, n_padded}),
             .n_rows = n_rows};
  }

  const ActivationsView& view() const { return view_; }

 private:
  Array<const double> attribute(const py::object& given, const char* owner, const char* name) {
    held_.push_back(given.attr(name));
    return {held_.back(), name, Layout::kRows, owner};
  }

  std::vector<py::object> held_;
  ActivationsView view_{};
};

void explain(const DeepLift& self, const py::object& rows, const py::object& background, const In<"weights", double>& weights,
             const Out<"values", double>& values, Threads n_threads) {
  const Activations mine(rows, "rows", self, true), others(background, "background", self, false);
  const double* of_background = weights.of_shape({others.view().n_rows});
  double* out = values.of_shape({mine.view().n_rows, self.n_features(), self.n_outputs()});
  if (values.empty()) return;
  require(others.view().n_rows > 0, "background must have a row; got none");
  const py::gil_scoped_release release;
  self.explain(mine.view(), others.view(), of_background, out, n_threads, python_interrupt_check());
}

}  // namespace

void bind_deep_lift(py::module_& m) {
  py::class_<DeepLift>(m, "DeepLift", "A network of dense layers, packed for the rescale rule.")
      .def(py::init(&make), py::arg("weights"), py::arg("rules"))
      .def("explain", &explain, py::arg("rows"), py::arg("background"), py::arg("weights"), py::arg("values"), py::kw_only(),
           py::arg("n_threads"),
           "Write values (n_rows, n_features, n_outputs); rows and background have the attributes of "
           "fastexplain.engine.deep.deep_lift.Activations.")
      .def_property_readonly("stride", &DeepLift::stride, "Columns of an array of activations.");
}
