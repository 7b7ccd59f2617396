// InterventionalShap for Python.
#include <memory>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/tree/interventional_shap.h"
#include "forest_view.h"

using fastexplain::InterventionalShap;
using fastexplain::LaneType;

namespace {

template <class Rows>
fastexplain::RowsView rows_view(const Rows& rows, const char* name, std::int64_t n_features) {
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

std::unique_ptr<InterventionalShap> make(const py::object& forest,
                                         const In<"background_rows", void, Layout::kStrided>& background,
                                         const In<"weights", double>& weights, bool float32_lanes, Threads n_threads,
                                         std::int64_t kept_bytes, std::int64_t table_bytes, int max_states) {
  require(table_bytes >= 0, "table_bytes must not be negative; got ", table_bytes);
  require(max_states >= 0, "max_states must not be negative; got ", max_states);
  require(kept_bytes >= 0, "kept_bytes must not be negative; got ", kept_bytes);
  const BorrowedForest borrowed(forest);
  const fastexplain::RowsView rows = rows_view(background, "background_rows", borrowed.view().n_features);
  require(rows.n_rows > 0, "background_rows must hold a row; got none");
  const double* of_rows = checked_weights(weights, rows.n_rows);
  const py::gil_scoped_release release;
  const fastexplain::InterventionalOptions options{.lanes = float32_lanes ? LaneType::kFloat32 : LaneType::kFloat64,
                                                   .table_bytes = static_cast<std::size_t>(table_bytes),
                                                   .max_states = max_states,
                                                   .kept_bytes = static_cast<std::size_t>(kept_bytes)};
  return std::make_unique<InterventionalShap>(borrowed.view(), rows, of_rows, n_threads, options);
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

py::array_t<double> mean_outputs(const InterventionalShap& self) {
  const auto& mean = self.mean_outputs();
  return py::array_t<double>(static_cast<py::ssize_t>(mean.size()), mean.data());
}

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
}
