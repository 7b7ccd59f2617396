// Metrics of stacked predictions for Python.
#include <limits>
#include <string>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/metrics/metrics.h"

namespace {

// Rows and classes are numbered by int32.
void require_countable(const char* what, std::int64_t n) {
  require(n <= std::numeric_limits<std::int32_t>::max(), "at most 2**31 - 1 ", what, " fit; got ", n);
}

template <Name kName>
fastexplain::Stack stack_of(const In<kName, double>& predictions) {
  const auto [m, n, c] = predictions.template dims<3>();
  require_countable("rows", n);
  require_countable("columns", c);
  return {.data = predictions.of_shape({m, n, c}), .m = m, .n = n, .c = c};
}

void row_losses(const std::string& loss, const In<"y", double>& y, const In<"predictions", double>& predictions,
                const Out<"out", double>& out, Threads n_threads) {
  using fastexplain::RowLoss;
  require(loss == "squared" || loss == "absolute", "loss must be 'squared' or 'absolute'; got '", loss, "'");
  const RowLoss which = loss == "squared" ? RowLoss::kSquared : RowLoss::kAbsolute;
  const fastexplain::Stack stack = stack_of(predictions);
  const double* truth = y.of_shape({stack.n, stack.c});
  double* to = out.of_shape({stack.m, stack.n, stack.c});
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::row_losses(which, truth, stack, to, n_threads, python_interrupt_check());
}

void log_losses(const In<"codes", std::int32_t>& codes, const In<"predictions", double>& predictions,
                const Out<"out", double>& out, Threads n_threads) {
  const fastexplain::Stack stack = stack_of(predictions);
  const std::int32_t* truth = codes.of_shape_within({stack.n}, 0, stack.c - 1);
  double* to = out.of_shape({stack.m, stack.n});
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::log_losses(truth, stack, to, n_threads, python_interrupt_check());
}

void argmax(const In<"predictions", double>& predictions, const Out<"out", std::int32_t>& out, Threads n_threads) {
  const fastexplain::Stack stack = stack_of(predictions);
  std::int32_t* to = out.of_shape({stack.m, stack.n});
  if (out.empty()) return;
  require(stack.c > 0, "predictions must have a column; got none");
  const py::gil_scoped_release release;
  fastexplain::argmax(stack, to, n_threads, python_interrupt_check());
}

void confusion(const In<"codes", std::int32_t>& codes, const In<"predicted", std::int32_t>& predicted,
               const In<"weights", double>& weights, const Out<"out", double>& out, Threads n_threads) {
  const auto [m, n] = predicted.dims<2>();
  const std::int64_t n_classes = out.dims<3>()[2];
  const fastexplain::ConfusionTask task{.codes = codes.of_shape_within({n}, 0, n_classes - 1),
                                        .predicted = predicted.of_shape_within({m, n}, 0, n_classes - 1),
                                        .weights = weights.of_shape({n}),
                                        .m = m,
                                        .n = n,
                                        .n_classes = n_classes,
                                        .out = out.of_shape({m, n_classes, n_classes})};
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::confusion(task, n_threads, python_interrupt_check());
}

void roc_auc(const In<"positive", std::uint8_t>& positive, const In<"scores", double>& scores,
             const In<"weights", double>& weights, const Out<"area", double>& area, const Out<"placements", double>& placements,
             Threads n_threads) {
  const auto [m, n] = scores.dims<2>();
  require_countable("rows", n);
  const fastexplain::RankingTask task{.positive = positive.of_shape_within({n}, 0, 1),
                                      .scores = scores.of_shape_without_nan({m, n}),
                                      .weights = weights.of_shape({n}),
                                      .m = m,
                                      .n = n,
                                      .area = area.of_shape({m}),
                                      .placements = placements.of_shape({m, n})};
  if (area.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::roc_auc(task, n_threads, python_interrupt_check());
}

}  // namespace

void bind_metrics(py::module_& m) {
  m.def("row_losses", &row_losses, py::arg("loss"), py::arg("y"), py::arg("predictions"), py::arg("out"), py::arg("n_threads"),
        "Squared or absolute loss of every row and target: y (n, c), predictions and out (m, n, c).");
  m.def("log_losses", &log_losses, py::arg("codes"), py::arg("predictions"), py::arg("out"), py::arg("n_threads"),
        "Log loss of every row: codes (n,), predictions (m, n, n_classes), out (m, n).");
  m.def("argmax", &argmax, py::arg("predictions"), py::arg("out"), py::arg("n_threads"),
        "Column of the largest entry, the first one among equals: predictions (m, n, c), out (m, n).");
  m.def("confusion", &confusion, py::arg("codes"), py::arg("predicted"), py::arg("weights"), py::arg("out"),
        py::arg("n_threads"), "Weight of (true, predicted): codes (n,), predicted (m, n), out (m, n_classes, n_classes).");
  m.def("roc_auc", &roc_auc, py::arg("positive"), py::arg("scores"), py::arg("weights"), py::arg("area"), py::arg("placements"),
        py::arg("n_threads"), "Area under the ROC curve: positive and weights (n,), scores and placements (m, n), area (m,).");
}
