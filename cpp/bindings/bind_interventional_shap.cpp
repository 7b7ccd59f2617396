// InterventionalShap for Python.
#include <memory>
#include <string>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/tree/interventional_shap.h"
#include "forest_view.h"
#include "rows_view.h"

using fastexplain::InterventionalShap;
using fastexplain::LaneType;
using fastexplain::OutputTransform;
using fastexplain::TransformedShap;

namespace {

const double* checked_weights(const In<"weights", double>& weights, std::int64_t n_rows) {
  const double* given = weights.of_shape({n_rows});
  double sum = 0;
  for (std::int64_t row = 0; row < n_rows; ++row) {
    require(std::isfinite(given[row]) && given[row] >= 0, "weights[", row, "] is ", given[row],
            "; expected a finite number that is not negative");
    sum += given[row];
  }
  require(std::isfinite(sum) && sum > 0, "the sum of weights is ", sum, "; expected a positive number");
  return given;
}

fastexplain::InterventionalOptions options_of(bool float32_lanes, std::int64_t kept_bytes, std::int64_t table_bytes,
                                              int max_states) {
  require(kept_bytes >= 0, "kept_bytes must not be negative; got ", kept_bytes);
  require(table_bytes >= 0, "table_bytes must not be negative; got ", table_bytes);
  require(max_states >= 0, "max_states must not be negative; got ", max_states);
  return {.lanes = float32_lanes ? LaneType::kFloat32 : LaneType::kFloat64,
          .table_bytes = static_cast<std::size_t>(table_bytes),
          .max_states = max_states,
          .kept_bytes = static_cast<std::size_t>(kept_bytes)};
}

template <class Shap>
std::unique_ptr<Shap> make_from(const BorrowedForest& forest, const In<"background_rows", void, Layout::kStrided>& background,
                                const In<"weights", double>& weights, Threads n_threads,
                                const fastexplain::InterventionalOptions& options) {
  const fastexplain::RowsView rows = rows_view(background, "background_rows", forest.view().n_features);
  require(rows.n_rows > 0, "background_rows must hold a row; got none");
  const double* of_rows = checked_weights(weights, rows.n_rows);
  const py::gil_scoped_release release;
  return std::make_unique<Shap>(forest.view(), rows, of_rows, n_threads, options);
}

std::unique_ptr<InterventionalShap> make(const py::object& forest,
                                         const In<"background_rows", void, Layout::kStrided>& background,
                                         const In<"weights", double>& weights, bool float32_lanes, Threads n_threads,
                                         std::int64_t kept_bytes, std::int64_t table_bytes, int max_states) {
  return make_from<InterventionalShap>(BorrowedForest(forest), background, weights, n_threads,
                                       options_of(float32_lanes, kept_bytes, table_bytes, max_states));
}

std::unique_ptr<TransformedShap> make_transformed(const py::object& forest,
                                                  const In<"background_rows", void, Layout::kStrided>& background,
                                                  const In<"weights", double>& weights, Threads n_threads,
                                                  std::int64_t kept_bytes, std::int64_t table_bytes, int max_states) {
  const BorrowedForest borrowed(forest);
  require(borrowed.view().n_outputs == 1, "Forest.n_outputs must be 1; got ", borrowed.view().n_outputs);
  return make_from<TransformedShap>(borrowed, background, weights, n_threads,
                                    options_of(false, kept_bytes, table_bytes, max_states));
}

void explain(const InterventionalShap& self, const In<"X", void, Layout::kStrided>& X, const Out<"values", double>& values,
             Threads n_threads) {
  const std::int64_t n_features = self.n_features(), n_outputs = self.n_outputs();
  const fastexplain::RowsView rows = rows_view(X, "X", n_features);
  const fastexplain::ValuesView view{.data = values.of_shape({rows.n_rows, n_features, n_outputs}),
                                     .n_rows = rows.n_rows,
                                     .n_features = n_features,
                                     .n_outputs = n_outputs};
  if (values.empty()) return;
  const py::gil_scoped_release release;
  self.explain(rows, view, n_threads, python_interrupt_check());
}

OutputTransform::Kind transform_named(const std::string& name) {
  if (name == "probability") return OutputTransform::Kind::kProbability;
  if (name == "log_loss") return OutputTransform::Kind::kLogLoss;
  require(name == "squared_loss", "transform must be 'probability', 'log_loss' or 'squared_loss'; got '", name, "'");
  return OutputTransform::Kind::kSquaredLoss;
}

void explain_transformed(const TransformedShap& self, const In<"X", void, Layout::kStrided>& X, const std::string& transform,
                         double slope, double offset, const In<"labels", double>& labels, const Out<"values", double>& values,
                         Threads n_threads, std::int64_t n_rows_of_call) {
  require_finite("slope", slope);
  require_finite("offset", offset);
  const std::int64_t n_features = self.n_features();
  const fastexplain::RowsView rows = rows_view(X, "X", n_features);
  const OutputTransform by{transform_named(transform), slope, offset, labels.of_shape({rows.n_rows})};
  const fastexplain::ValuesView view{
      .data = values.of_shape({rows.n_rows, n_features, 1}), .n_rows = rows.n_rows, .n_features = n_features, .n_outputs = 1};
  if (values.empty()) return;
  const py::gil_scoped_release release;
  self.explain(rows, by, view, n_threads, python_interrupt_check(), n_rows_of_call);
}

py::array_t<double> array_of(const std::vector<double>& numbers) {
  return py::array_t<double>(static_cast<py::ssize_t>(numbers.size()), numbers.data());
}

py::array_t<double> mean_outputs(const InterventionalShap& self) { return array_of(self.mean_outputs()); }
py::array_t<double> background_outputs(const TransformedShap& self) { return array_of(self.background_outputs()); }
py::array_t<double> background_weights(const TransformedShap& self) { return array_of(self.background_weights()); }

}  // namespace

void bind_interventional_shap(py::module_& m) {
  py::class_<InterventionalShap>(m, "InterventionalShap", "A forest and a background compiled for interventional Tree SHAP.")
      .def(py::init(&make), py::arg("forest"), py::arg("background_rows"), py::kw_only(), py::arg("weights"),
           py::arg("float32_lanes") = false, py::arg("n_threads"),
           py::arg("kept_bytes") = fastexplain::InterventionalOptions{}.kept_bytes,
           py::arg("table_bytes") = fastexplain::InterventionalOptions{}.table_bytes,
           py::arg("max_states") = fastexplain::InterventionalOptions{}.max_states)
      .def("explain", &explain, py::arg("X"), py::arg("values"), py::kw_only(), py::arg("n_threads"),
           "Write values (n_rows, n_features, n_outputs) of the rows of X, float32 or float64 of any strides.")
      .def_property_readonly("mean_outputs", &mean_outputs, "Mean of the sum of the trees over the background, (n_outputs,).")
      .def_property_readonly("memory", &InterventionalShap::memory, "Bytes held by the compiled forest and background.");
  py::class_<TransformedShap>(m, "TransformedShap",
                              "A forest of one output and a background, for values of a transformed output.")
      .def(py::init(&make_transformed), py::arg("forest"), py::arg("background_rows"), py::kw_only(), py::arg("weights"),
           py::arg("n_threads"), py::arg("kept_bytes") = fastexplain::InterventionalOptions{}.kept_bytes,
           py::arg("table_bytes") = fastexplain::InterventionalOptions{}.table_bytes,
           py::arg("max_states") = fastexplain::InterventionalOptions{}.max_states)
      .def("turn", &TransformedShap::turn, py::arg("n_rows_of_call"),
           "Rows for which a call of so many fills tables once, where it fills any; else 0.")
      .def("explain", &explain_transformed, py::arg("X"), py::kw_only(), py::arg("transform"), py::arg("slope"),
           py::arg("offset"), py::arg("labels"), py::arg("values"), py::arg("n_threads"), py::arg("n_rows_of_call") = 0,
           "Write values (n_rows, n_features, 1) of the rows of X, float32 or float64 of any strides.")
      .def_property_readonly("background_outputs", &background_outputs,
                             "The sum of the trees for each background row of weight above zero.")
      .def_property_readonly("background_weights", &background_weights, "The weights of these rows; they sum to 1.")
      .def_property_readonly("memory", &TransformedShap::memory, "Bytes held by the compiled forest and background.");
}
