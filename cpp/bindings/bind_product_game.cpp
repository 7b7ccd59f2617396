// Product and sigmoid games for Python.
#include <limits>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/formulas/product_game.h"

using fastexplain::PairRules;
using fastexplain::SineRules;

namespace {

constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();

std::vector<double> values_of(const Array<const double>& array, Shape shape) {
  const double* data = array.of_shape(shape);
  return {data, data + array.size()};
}

void require_reach(double reach, const std::vector<double>& before) {
  require(reach > 0, "reach must be positive; got ", reach);
  require(before.empty() || reach > before.back(), "reach must rise from one to the next; got ", reach, " after ",
          before.empty() ? 0.0 : before.back());
}

void add_rule(PairRules& rules, const In<"offsets", double>& offsets, const In<"weights", double>& weights, double reach) {
  const std::int64_t n_pairs = offsets.dims<1>()[0];
  require(n_pairs >= 1 && n_pairs <= kMaxInt32, "offsets must not be empty; got ", n_pairs);
  require(rules.n_pairs.empty() || n_pairs > rules.n_pairs.back(), "offsets must be more than those of the rule before, ",
          rules.n_pairs.empty() ? 0 : rules.n_pairs.back(), "; got ", n_pairs);
  require_reach(reach, rules.reach);
  std::vector<double> of_offsets = values_of(offsets, {n_pairs}), of_weights = values_of(weights, {n_pairs});
  rules.n_pairs.push_back(static_cast<std::int32_t>(n_pairs));
  rules.offsets.push_back(std::move(of_offsets));
  rules.weights.push_back(std::move(of_weights));
  rules.reach.push_back(reach);
}

void require_lanes(const char* name, std::int64_t n_terms) {
  require(n_terms >= 1 && n_terms <= kMaxInt32 / 2 && n_terms % fastexplain::kTermLanes == 0, name, " must have a multiple of ",
          fastexplain::kTermLanes, " terms; got ", n_terms);
}

void add_fit(SineRules& rules, double reach, double base, const In<"sinh", double>& sinh, const In<"cosh", double>& cosh,
             const In<"first", double>& first, const In<"second", double>& second) {
  const std::int64_t n_points = sinh.dims<1>()[0], n_terms = second.dims<2>()[0];
  require(n_points <= kMaxInt32, "sinh has too many points: ", n_points);
  require_lanes("second", n_terms);
  require(reach > 0, "reach must be positive; got ", reach);
  require_finite("base", base);
  rules.fits.push_back({.reach = reach,
                        .base = base,
                        .sinh = values_of(sinh, {n_points}),
                        .cosh = values_of(cosh, {n_points}),
                        .first = values_of(first, {n_points, n_terms}),
                        .second = values_of(second, {n_terms, n_terms}),
                        .n_terms = static_cast<std::int32_t>(n_terms)});
}

void add_series(SineRules& rules, double reach, double base, const In<"coefficients", double>& coefficients) {
  const std::int64_t n_terms = coefficients.dims<1>()[0];
  require_lanes("coefficients", n_terms);
  require(reach > 0, "reach must be positive; got ", reach);
  require_finite("base", base);
  rules.series.push_back({.reach = reach, .base = base, .coefficients = values_of(coefficients, {n_terms})});
}

void require_rules(const PairRules& rules, std::int64_t n_players) {
  require(!rules.reach.empty(), "rules must not be empty");
  require(n_players <= kMaxInt32 / fastexplain::kTermLanes, "at most ", kMaxInt32 / fastexplain::kTermLanes,
          " players fit; got ", n_players);
}

void product_game(const In<"row_factors", double>& row_factors, const In<"background_factors", double>& background_factors,
                  const In<"coefficients", double>& coefficients, const In<"weights", double>& weights, const PairRules& rules,
                  const Out<"values", double>& values, Threads n_threads) {
  constexpr std::int64_t kLanes = fastexplain::kTermLanes;
  const auto [n_rows, n_players, n_outputs] = values.dims<3>();
  const std::int64_t n_blocks = row_factors.dims<4>()[1], n_background = weights.dims<1>()[0];
  require_rules(rules, n_players);
  require(n_background <= kMaxInt32 && n_outputs <= kMaxInt32, "at most 2**31 - 1 background rows and outputs fit; got ",
          n_background, " and ", n_outputs);
  const bool own = coefficients.n_dims() == 4;  // each row has coefficients of its own
  const fastexplain::ProductGameView game{
      .n_rows = n_rows,
      .n_blocks = n_blocks,
      .n_background = n_background,
      .n_players = static_cast<std::int32_t>(n_players),
      .n_outputs = static_cast<std::int32_t>(n_outputs),
      .row_factors = row_factors.of_shape({n_rows, n_blocks, n_players, kLanes}),
      .background_factors = background_factors.of_shape({n_blocks, n_background, n_players, kLanes}),
      .coefficients = own ? coefficients.of_shape({n_rows, n_blocks, n_outputs, kLanes})
                          : coefficients.of_shape({n_blocks, n_outputs, kLanes}),
      .coefficient_stride = own ? n_blocks * n_outputs * kLanes : 0,
      .weights = weights.of_shape({n_background})};
  double* out = values.of_shape({n_rows, n_players, n_outputs});
  if (values.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::product_game(game, rules, out, n_threads, python_interrupt_check());
}

void sigmoid_game(const In<"row_terms", double>& row_terms, const In<"background_terms", double>& background_terms,
                  const In<"margins", double>& margins, const In<"weights", double>& weights, const SineRules& sines,
                  const PairRules& rules, const Out<"values", double>& values, Threads n_threads) {
  const auto [n_rows, n_players] = row_terms.dims<2>();
  const std::int64_t n_background = background_terms.dims<2>()[0];
  require_rules(rules, n_players);
  require(!sines.series.empty(), "sines must hold a series");
  const fastexplain::SigmoidGameView game{.n_rows = n_rows,
                                          .n_background = n_background,
                                          .n_players = static_cast<std::int32_t>(n_players),
                                          .row_terms = row_terms.of_shape({n_rows, n_players}),
                                          .background_terms = background_terms.of_shape({n_background, n_players}),
                                          .margins = margins.of_shape({n_background}),
                                          .weights = weights.of_shape({n_background})};
  double* out = values.of_shape({n_rows, n_players});
  if (values.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::sigmoid_game(game, sines, rules, out, n_threads, python_interrupt_check());
}

}  // namespace

void bind_product_game(py::module_& m) {
  py::class_<PairRules>(m, "PairRules", "Gauss-Legendre rules of rising order; see fastexplain.engine.formulas.product_game.")
      .def(py::init<>())
      .def("add", &add_rule, py::arg("offsets"), py::arg("weights"), py::arg("reach"),
           "Add a rule of more pairs of nodes than the one before; offsets and weights (n_pairs,).");
  py::class_<SineRules>(m, "SineRules", "Sums of sines; see fastexplain.engine.formulas.sine_expansion.")
      .def(py::init<>())
      .def("add_fit", &add_fit, py::arg("reach"), py::arg("base"), py::arg("sinh"), py::arg("cosh"), py::arg("first"),
           py::arg("second"), "Add a fit: sinh and cosh (n_points,), first (n_points, n_terms), second (n_terms, n_terms).")
      .def("add_series", &add_series, py::arg("reach"), py::arg("base"), py::arg("coefficients"),
           "Add a series; coefficients (n_terms,).");
  m.def("product_game", &product_game, py::arg("row_factors"), py::arg("background_factors"), py::arg("coefficients"),
        py::arg("weights"), py::arg("rules"), py::arg("values"), py::kw_only(), py::arg("n_threads"),
        "Add the Shapley values of product games to values (n_rows, n_players, n_outputs); see product_game.h.");
  m.def("sigmoid_game", &sigmoid_game, py::arg("row_terms"), py::arg("background_terms"), py::arg("margins"),
        py::arg("weights"), py::arg("sines"), py::arg("rules"), py::arg("values"), py::kw_only(), py::arg("n_threads"),
        "Write the Shapley values of sums of logistic functions, (n_rows, n_players); see product_game.h.");
}
