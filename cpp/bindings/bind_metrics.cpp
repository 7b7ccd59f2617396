// Metrics of stacked predictions for Python.
#include <string_view>
#include <utility>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/metrics/metrics.h"

using fastexplain::ClassLoss;
using fastexplain::RowLoss;

namespace {

constexpr std::pair<std::string_view, RowLoss> kRowLosses[] = {{"squared", RowLoss::kSquared},
                                                               {"absolute", RowLoss::kAbsolute},
                                                               {"squared_log", RowLoss::kSquaredLog},
                                                               {"absolute_percentage", RowLoss::kAbsolutePercentage},
                                                               {"pinball", RowLoss::kPinball},
                                                               {"poisson", RowLoss::kPoisson},
                                                               {"gamma", RowLoss::kGamma}};
constexpr std::pair<std::string_view, ClassLoss> kClassLosses[] = {{"log", ClassLoss::kLog}, {"brier", ClassLoss::kBrier}};

template <class T, std::size_t n>
T loss_named(const std::pair<std::string_view, T> (&losses)[n], const std::string& name) {
  std::string known;
  for (const auto& [each, loss] : losses) {
    if (each == name) return loss;
    known += known.empty() ? "" : ", ";
    known += each;
  }
  throw py::value_error(text_of("loss must be one of ", known, "; got '", name, "'"));
}

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

void row_losses(const std::string& loss, const In<"y", double>& y, const In<"predictions", double>& predictions, double alpha,
                const Out<"out", double>& out, Threads n_threads) {
  const fastexplain::Stack stack = stack_of(predictions);
  const fastexplain::RowLossTask task{.loss = loss_named(kRowLosses, loss),
                                      .y = y.of_shape({stack.n, stack.c}),
                                      .predictions = stack,
                                      .alpha = alpha,
                                      .out = out.of_shape({stack.m, stack.n, stack.c})};
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::row_losses(task, n_threads, python_interrupt_check());
}

void class_losses(const std::string& loss, const In<"codes", std::int32_t>& codes, const In<"predictions", double>& predictions,
                  const Out<"out", double>& out, Threads n_threads) {
  const fastexplain::Stack stack = stack_of(predictions);
  const fastexplain::ClassLossTask task{.loss = loss_named(kClassLosses, loss),
                                        .codes = codes.of_shape_within({stack.n}, 0, stack.c - 1),
                                        .predictions = stack,
                                        .out = out.of_shape({stack.m, stack.n})};
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::class_losses(task, n_threads, python_interrupt_check());
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

// Sorting by scores needs an order: no NaN.
fastexplain::RankingView ranking_of(const In<"positive", std::uint8_t>& positive, const In<"scores", double>& scores,
                                    const In<"weights", double>& weights) {
  const auto [m, n] = scores.dims<2>();
  require_countable("rows", n);
  return {.positive = positive.of_shape_within({n}, 0, 1),
          .scores = scores.of_shape_without_nan({m, n}),
          .weights = weights.of_shape({n}),
          .m = m,
          .n = n};
}

void roc_auc(const In<"positive", std::uint8_t>& positive, const In<"scores", double>& scores,
             const In<"weights", double>& weights, const Out<"area", double>& area, const Out<"placements", double>& placements,
             Threads n_threads) {
  const fastexplain::RankingView ranking = ranking_of(positive, scores, weights);
  double *to = area.of_shape({ranking.m}), *places = placements.of_shape({ranking.m, ranking.n});
  if (area.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::roc_auc(ranking, to, places, n_threads, python_interrupt_check());
}

void average_precision(const In<"positive", std::uint8_t>& positive, const In<"scores", double>& scores,
                       const In<"weights", double>& weights, const Out<"out", double>& out, Threads n_threads) {
  const fastexplain::RankingView ranking = ranking_of(positive, scores, weights);
  double* to = out.of_shape({ranking.m});
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::average_precision(ranking, to, n_threads, python_interrupt_check());
}

void discounted_gain(const In<"gains", double>& gains, const In<"scores", double>& scores, std::int64_t n_best,
                     bool ignore_ties, double log_base, const Out<"out", double>& out, Threads n_threads) {
  const fastexplain::Stack stack = stack_of(scores);
  scores.of_shape_without_nan({stack.m, stack.n, stack.c});
  require(n_best >= 0, "n_best must be at least 0; got ", n_best);
  require(log_base > 0 && std::isfinite(log_base), "log_base must be positive and finite; got ", log_base);
  const fastexplain::GainTask task{.gains = gains.of_shape({stack.n, stack.c}),
                                   .scores = stack,
                                   .n_best = n_best,
                                   .ignore_ties = ignore_ties,
                                   .log_base = log_base,
                                   .out = out.of_shape({stack.m, stack.n})};
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::discounted_gain(task, n_threads, python_interrupt_check());
}

}  // namespace

void bind_metrics(py::module_& m) {
  m.def("row_losses", &row_losses, py::arg("loss"), py::arg("y"), py::arg("predictions"), py::arg("alpha"), py::arg("out"),
        py::arg("n_threads"), "Loss of every row and target: y (n, c), predictions and out (m, n, c).");
  m.def("class_losses", &class_losses, py::arg("loss"), py::arg("codes"), py::arg("predictions"), py::arg("out"),
        py::arg("n_threads"), "Loss of every row: codes (n,), predictions (m, n, n_classes), out (m, n).");
  m.def("argmax", &argmax, py::arg("predictions"), py::arg("out"), py::arg("n_threads"),
        "Column of the largest entry, the first one among equals: predictions (m, n, c), out (m, n).");
  m.def("confusion", &confusion, py::arg("codes"), py::arg("predicted"), py::arg("weights"), py::arg("out"),
        py::arg("n_threads"), "Weight of (true, predicted): codes (n,), predicted (m, n), out (m, n_classes, n_classes).");
  m.def("roc_auc", &roc_auc, py::arg("positive"), py::arg("scores"), py::arg("weights"), py::arg("area"), py::arg("placements"),
        py::arg("n_threads"), "Area under the ROC curve: positive and weights (n,), scores and placements (m, n), area (m,).");
  m.def("average_precision", &average_precision, py::arg("positive"), py::arg("scores"), py::arg("weights"), py::arg("out"),
        py::arg("n_threads"), "Average precision: positive and weights (n,), scores (m, n), out (m,).");
  m.def("discounted_gain", &discounted_gain, py::arg("gains"), py::arg("scores"), py::arg("n_best"), py::arg("ignore_ties"),
        py::arg("log_base"), py::arg("out"), py::arg("n_threads"),
        "Discounted gain of each row's items by their scores: gains (n, c), scores (m, n, c), out (m, n).");
}
