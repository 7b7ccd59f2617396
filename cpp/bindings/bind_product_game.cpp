// Product and sigmoid games for Python: check shapes, release the GIL, call.
#include <string>

#include "bindings.h"
#include "fastexplain/formulas/product_game.h"

namespace py = pybind11;
using fastexplain::PairRules;
using fastexplain::SineRules;

namespace {

using Array = py::array_t<double, py::array::c_style>;
using Shape = std::vector<py::ssize_t>;

const double* data_of(const Array& array, const char* name, const Shape& expected) {
  const Shape shape(array.shape(), array.shape() + array.ndim());
  if (shape != expected) throw py::value_error(std::string(name) + " has the wrong shape");
  return array.data();
}

std::vector<double> values_of(const Array& array) { return {array.data(), array.data() + array.size()}; }

void add_rule(PairRules& rules, const Array& offsets, const Array& weights, double reach) {
  if (offsets.ndim() != 1 || offsets.size() < 1) throw py::value_error("offsets must be 1-D and not empty");
  data_of(weights, "weights", {offsets.size()});
  rules.n_pairs.push_back(static_cast<std::int32_t>(offsets.size()));
  rules.offsets.push_back(values_of(offsets));
  rules.weights.push_back(values_of(weights));
  rules.reach.push_back(reach);
}

void add_fit(SineRules& rules, double reach, double base, const Array& sinh, const Array& cosh, const Array& first,
             const Array& second) {
  const py::ssize_t n_terms = second.ndim() == 2 ? second.shape(0) : 0;
  if (n_terms < 1 || n_terms % fastexplain::kTermLanes != 0)
    throw py::value_error("the number of terms must be a multiple of 8");
  data_of(second, "second", {n_terms, n_terms});
  data_of(cosh, "cosh", {sinh.size()});
  data_of(first, "first", {sinh.size(), n_terms});
  rules.fits.push_back(
      {reach, base, values_of(sinh), values_of(cosh), values_of(first), values_of(second), static_cast<std::int32_t>(n_terms)});
}

void add_series(SineRules& rules, double reach, double base, const Array& coefficients) {
  if (coefficients.size() % fastexplain::kTermLanes != 0) throw py::value_error("the number of terms must be a multiple of 8");
  rules.series.push_back({reach, base, values_of(coefficients)});
}

void product_game(const Array& row_factors, const Array& background_factors, const Array& coefficients, const Array& weights,
                  const PairRules& rules, Array& values, int n_threads) {
  if (row_factors.ndim() != 4 || background_factors.ndim() != 4 || values.ndim() != 3)
    throw py::value_error("factors must be 4-D and values 3-D");
  const py::ssize_t lanes = fastexplain::kTermLanes, n_rows = row_factors.shape(0), n_blocks = row_factors.shape(1);
  const py::ssize_t n_players = row_factors.shape(2), n_background = background_factors.shape(1), n_outputs = values.shape(2);
  fastexplain::ProductGameView game{};
  game.n_rows = n_rows;
  game.n_blocks = n_blocks;
  game.n_background = n_background;
  game.n_players = static_cast<std::int32_t>(n_players);
  game.n_outputs = static_cast<std::int32_t>(n_outputs);
  game.row_factors = data_of(row_factors, "row_factors", {n_rows, n_blocks, n_players, lanes});
  game.background_factors = data_of(background_factors, "background_factors", {n_blocks, n_background, n_players, lanes});
  const bool shared = coefficients.ndim() == 3;
  game.coefficients = data_of(coefficients, "coefficients",
                              shared ? Shape{n_blocks, n_outputs, lanes} : Shape{n_rows, n_blocks, n_outputs, lanes});
  game.coefficient_stride = shared ? 0 : n_blocks * n_outputs * lanes;
  game.weights = data_of(weights, "weights", {n_background});
  data_of(values, "values", {n_rows, n_players, n_outputs});
  if (rules.reach.empty()) throw py::value_error("rules must not be empty");
  double* out = values.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::product_game(game, rules, out, n_threads, python_interrupt_check());
}

void sigmoid_game(const Array& row_terms, const Array& background_terms, const Array& margins, const Array& weights,
                  const SineRules& sines, const PairRules& rules, Array& values, int n_threads) {
  if (row_terms.ndim() != 2 || background_terms.ndim() != 2) throw py::value_error("terms must be 2-D");
  const py::ssize_t n_rows = row_terms.shape(0), n_players = row_terms.shape(1), n_background = background_terms.shape(0);
  fastexplain::SigmoidGameView game{};
  game.n_rows = n_rows;
  game.n_background = n_background;
  game.n_players = static_cast<std::int32_t>(n_players);
  game.row_terms = row_terms.data();
  game.background_terms = data_of(background_terms, "background_terms", {n_background, n_players});
  game.margins = data_of(margins, "margins", {n_background});
  game.weights = data_of(weights, "weights", {n_background});
  data_of(values, "values", {n_rows, n_players});
  if (rules.reach.empty() || sines.series.empty()) throw py::value_error("rules must not be empty");
  double* out = values.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::sigmoid_game(game, sines, rules, out, n_threads, python_interrupt_check());
}

}  // namespace

void bind_product_game(py::module_& m) {
  py::class_<PairRules>(m, "PairRules", "Gauss-Legendre rules of rising order; see fastexplain.engine.product_game.")
      .def(py::init<>())
      .def("add", &add_rule, py::arg("offsets"), py::arg("weights"), py::arg("reach"));
  py::class_<SineRules>(m, "SineRules", "Sums of sines; see fastexplain.engine.sine_expansion.")
      .def(py::init<>())
      .def("add_fit", &add_fit)
      .def("add_series", &add_series);
  m.def("product_game", &product_game, py::arg("row_factors").noconvert(), py::arg("background_factors").noconvert(),
        py::arg("coefficients").noconvert(), py::arg("weights").noconvert(), py::arg("rules"), py::arg("values").noconvert(),
        py::kw_only(), py::arg("n_threads"));
  m.def("sigmoid_game", &sigmoid_game, py::arg("row_terms").noconvert(), py::arg("background_terms").noconvert(),
        py::arg("margins").noconvert(), py::arg("weights").noconvert(), py::arg("sines"), py::arg("rules"),
        py::arg("values").noconvert(), py::kw_only(), py::arg("n_threads"));
}
