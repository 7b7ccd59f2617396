// Scorers of models that are seen through: check shapes, release the GIL, call. Arrays that are written refuse conversion.
#include "bindings.h"
#include "fastexplain/formulas/expansion.h"
#include "fastexplain/formulas/neighbors.h"

namespace py = pybind11;

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

void require(bool fits, const char* what) {
  if (!fits) throw py::value_error(what);
}

void check_tables(const Array<double>& row, const Array<double>& background, const Array<std::uint8_t>& masks,
                  const Array<double>& out) {
  require(row.ndim() == 2 && background.ndim() == 3 && masks.ndim() == 2 && out.ndim() == 3 &&
              background.shape(1) == row.shape(0) && background.shape(2) == row.shape(1) && masks.shape(1) == row.shape(0) &&
              out.shape(0) == background.shape(0) && out.shape(1) == masks.shape(0),
          "row, background, masks and out do not fit together");
  require(row.shape(1) % fastexplain::kTermPad == 0, "the number of terms must be a multiple of 64");
}

void expand(int kind, int degree, const Array<double>& row, const Array<double>& background, const Array<double>& coefficients,
            const Array<std::uint8_t>& masks, Array<double>& out, int n_threads) {
  check_tables(row, background, masks, out);
  require(coefficients.ndim() == 2 && coefficients.shape(0) == out.shape(2) && coefficients.shape(1) == row.shape(1),
          "coefficients must be (n_outputs, n_terms)");
  require(kind >= 0 && kind <= static_cast<int>(fastexplain::TermKind::kTanh) && degree >= 1, "unknown kind of term");
  const fastexplain::ExpansionTask task{static_cast<fastexplain::TermKind>(kind),
                                        degree,
                                        row.data(),
                                        background.data(),
                                        coefficients.data(),
                                        masks.data(),
                                        row.shape(0),
                                        row.shape(1),
                                        background.shape(0),
                                        masks.shape(0),
                                        out.shape(2),
                                        out.mutable_data()};
  const py::gil_scoped_release release;
  fastexplain::expand(task, n_threads, python_interrupt_check());
}

void couple_probabilities(const Array<double>& decisions, const Array<double>& slope, const Array<double>& shift,
                          Array<double>& out, int n_threads) {
  require(decisions.ndim() == 2 && out.ndim() == 2 && out.shape(0) == decisions.shape(0), "decisions and out differ in length");
  const py::ssize_t n_classes = out.shape(1), n_pairs = n_classes * (n_classes - 1) / 2;
  require(n_classes >= 2 && decisions.shape(1) == n_pairs && slope.size() == n_pairs && shift.size() == n_pairs,
          "decisions, slope and shift need one entry for each pair of classes");
  const double *f = decisions.data(), *a = slope.data(), *b = shift.data();
  double* probabilities = out.mutable_data();
  const std::int64_t n_rows = decisions.shape(0);
  const py::gil_scoped_release release;
  fastexplain::couple_probabilities(f, n_rows, n_classes, a, b, probabilities, n_threads, python_interrupt_check());
}

void average_neighbors(const Array<double>& row, const Array<double>& background, const Array<double>& targets,
                       const Array<std::uint8_t>& masks, std::int64_t n_neighbors, double power, bool by_distance,
                       Array<double>& out, int n_threads) {
  check_tables(row, background, masks, out);
  require(targets.ndim() == 2 && targets.shape(0) == row.shape(1) && targets.shape(1) == out.shape(2),
          "targets must be (n_train, n_outputs)");
  require(n_neighbors >= 1 && n_neighbors <= row.shape(1) && power > 0, "n_neighbors or power is out of range");
  const fastexplain::NeighborsTask task{row.data(),   background.data(),   targets.data(),    masks.data(), row.shape(0),
                                        row.shape(1), background.shape(0), masks.shape(0),    out.shape(2), n_neighbors,
                                        power,        by_distance,         out.mutable_data()};
  const py::gil_scoped_release release;
  fastexplain::average_neighbors(task, n_threads, python_interrupt_check());
}

}  // namespace

void bind_scorers(py::module_& m) {
  m.def("expand", &expand, py::arg("kind"), py::arg("degree"), py::arg("row"), py::arg("background"), py::arg("coefficients"),
        py::arg("masks"), py::arg("out").noconvert(), py::arg("n_threads"));
  m.def("couple_probabilities", &couple_probabilities, py::arg("decisions"), py::arg("slope"), py::arg("shift"),
        py::arg("out").noconvert(), py::arg("n_threads"));
  m.def("average_neighbors", &average_neighbors, py::arg("row"), py::arg("background"), py::arg("targets"), py::arg("masks"),
        py::arg("n_neighbors"), py::arg("power"), py::arg("by_distance"), py::arg("out").noconvert(), py::arg("n_threads"));
}
