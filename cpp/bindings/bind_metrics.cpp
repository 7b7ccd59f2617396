// Metrics of stacked predictions for Python: shapes are checked here, values by the Python callers.
#include <map>
#include <string>

#include "bindings.h"
#include "fastexplain/metrics/metrics.h"

namespace py = pybind11;

namespace {

using Doubles = py::array_t<double, py::array::c_style>;
using Ints = py::array_t<std::int32_t, py::array::c_style>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style>;

void expect(bool condition, const char* message) {
  if (!condition) throw py::value_error(message);
}

fastexplain::Stack stack_of(const Doubles& predictions) {
  expect(predictions.ndim() == 3, "predictions must be 3-D");
  return {predictions.data(), predictions.shape(0), predictions.shape(1), predictions.shape(2)};
}

template <class T>
T named(const std::map<std::string, T>& names, const std::string& name) {
  const auto found = names.find(name);
  if (found == names.end()) throw py::value_error("unknown loss " + name);
  return found->second;
}

void row_losses(const std::string& loss, const Doubles& y, const Doubles& predictions, double alpha, Doubles& out,
                int n_threads) {
  using fastexplain::RowLoss;
  static const std::map<std::string, RowLoss> kNames = {{"squared", RowLoss::kSquared},
                                                        {"absolute", RowLoss::kAbsolute},
                                                        {"squared_log", RowLoss::kSquaredLog},
                                                        {"absolute_percentage", RowLoss::kAbsolutePercentage},
                                                        {"pinball", RowLoss::kPinball},
                                                        {"poisson", RowLoss::kPoisson},
                                                        {"gamma", RowLoss::kGamma}};
  const RowLoss which = named(kNames, loss);
  const fastexplain::Stack stack = stack_of(predictions);
  expect(y.size() == stack.n * stack.c && out.size() == predictions.size(), "y must be (n, c), out (m, n, c)");
  const double* from = y.data();
  double* to = out.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::row_losses(which, from, stack, alpha, to, n_threads, python_interrupt_check());
}

void class_losses(const std::string& loss, const Ints& codes, const Doubles& predictions, Doubles& out, int n_threads) {
  using fastexplain::ClassLoss;
  static const std::map<std::string, ClassLoss> kNames = {{"log", ClassLoss::kLog}, {"brier", ClassLoss::kBrier}};
  const ClassLoss which = named(kNames, loss);
  const fastexplain::Stack stack = stack_of(predictions);
  expect(codes.size() == stack.n && out.size() == stack.m * stack.n, "codes must be (n,), out (m, n)");
  const std::int32_t* from = codes.data();
  double* to = out.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::class_losses(which, from, stack, to, n_threads, python_interrupt_check());
}

void argmax(const Doubles& predictions, Ints& out, int n_threads) {
  const fastexplain::Stack stack = stack_of(predictions);
  expect(out.size() == stack.m * stack.n, "out must be (m, n)");
  std::int32_t* to = out.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::argmax(stack, to, n_threads, python_interrupt_check());
}

void confusion(const Ints& codes, const Ints& predicted, const Doubles& weights, Doubles& out, int n_threads) {
  expect(predicted.ndim() == 2 && out.ndim() == 3 && out.shape(0) == predicted.shape(0) && out.shape(1) == out.shape(2) &&
             codes.size() == predicted.shape(1) && weights.size() == codes.size(),
         "predicted must be (m, n), out (m, n_classes, n_classes)");
  const std::int64_t m = predicted.shape(0), n = predicted.shape(1), n_classes = out.shape(1);
  const std::int32_t *truth = codes.data(), *guess = predicted.data();
  const double* w = weights.data();
  double* to = out.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::confusion(truth, guess, m, n, n_classes, w, to, n_threads, python_interrupt_check());
}

void roc_auc(const Bytes& positive, const Doubles& scores, const Doubles& weights, Doubles& area, Doubles& placements,
             int n_threads) {
  expect(scores.ndim() == 2 && positive.size() == scores.shape(1) && weights.size() == positive.size() &&
             area.size() == scores.shape(0) && placements.size() == scores.size(),
         "scores must be (m, n), area (m,), placements (m, n)");
  const std::int64_t m = scores.shape(0), n = scores.shape(1);
  const std::uint8_t* truth = positive.data();
  const double *s = scores.data(), *w = weights.data();
  double *to = area.mutable_data(), *places = placements.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::roc_auc(truth, s, m, n, w, to, places, n_threads, python_interrupt_check());
}

void average_precision(const Bytes& positive, const Doubles& scores, const Doubles& weights, Doubles& out, int n_threads) {
  expect(scores.ndim() == 2 && positive.size() == scores.shape(1) && weights.size() == positive.size() &&
             out.size() == scores.shape(0),
         "scores must be (m, n), out (m,)");
  const std::int64_t m = scores.shape(0), n = scores.shape(1);
  const std::uint8_t* truth = positive.data();
  const double *s = scores.data(), *w = weights.data();
  double* to = out.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::average_precision(truth, s, m, n, w, to, n_threads, python_interrupt_check());
}

void discounted_gain(const Doubles& gains, const Doubles& scores, std::int64_t n_best, bool ignore_ties, double log_base,
                     Doubles& out, int n_threads) {
  const fastexplain::Stack stack = stack_of(scores);
  expect(gains.size() == stack.n * stack.c && out.size() == stack.m * stack.n, "gains must be (n, c), out (m, n)");
  const double* from = gains.data();
  double* to = out.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::discounted_gain(from, stack, n_best, ignore_ties, log_base, to, n_threads, python_interrupt_check());
}

}  // namespace

void bind_metrics(py::module_& m) {
  m.def("row_losses", &row_losses, py::arg("loss"), py::arg("y").noconvert(), py::arg("predictions").noconvert(),
        py::arg("alpha"), py::arg("out").noconvert(), py::arg("n_threads"));
  m.def("class_losses", &class_losses, py::arg("loss"), py::arg("codes").noconvert(), py::arg("predictions").noconvert(),
        py::arg("out").noconvert(), py::arg("n_threads"));
  m.def("argmax", &argmax, py::arg("predictions").noconvert(), py::arg("out").noconvert(), py::arg("n_threads"));
  m.def("confusion", &confusion, py::arg("codes").noconvert(), py::arg("predicted").noconvert(), py::arg("weights").noconvert(),
        py::arg("out").noconvert(), py::arg("n_threads"));
  m.def("roc_auc", &roc_auc, py::arg("positive").noconvert(), py::arg("scores").noconvert(), py::arg("weights").noconvert(),
        py::arg("area").noconvert(), py::arg("placements").noconvert(), py::arg("n_threads"));
  m.def("average_precision", &average_precision, py::arg("positive").noconvert(), py::arg("scores").noconvert(),
        py::arg("weights").noconvert(), py::arg("out").noconvert(), py::arg("n_threads"));
  m.def("discounted_gain", &discounted_gain, py::arg("gains").noconvert(), py::arg("scores").noconvert(), py::arg("n_best"),
        py::arg("ignore_ties"), py::arg("log_base"), py::arg("out").noconvert(), py::arg("n_threads"));
}
