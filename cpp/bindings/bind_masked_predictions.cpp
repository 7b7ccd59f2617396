// Predictions of masked rows by a known formula, for Python.
#include "bindings.h"
#include "checks.h"
#include "fastexplain/formulas/expansion.h"
#include "fastexplain/formulas/neighbors.h"

namespace {

using Row = In<"row", double>;
using Background = In<"background", double>;
using Masks = In<"masks", std::uint8_t>;

// Sizes that expansions and neighbours share.
struct Sizes {
  Sizes(const Row& row, const Background& background, const Masks& masks, std::int64_t pad) {
    const auto [players, terms] = row.dims<2>();
    require(players >= 1, "row must have a player; got none");
    require(terms % pad == 0, "row must have a multiple of ", pad, " columns; got ", terms);
    n_players = players;
    n_terms = terms;
    n_background = background.dims<3>()[0];
    n_masks = masks.dims<2>()[0];
  }
  std::int64_t n_players, n_terms, n_background, n_masks;
};

void expand(int kind, int degree, const Row& row, const Background& background, const In<"coefficients", double>& coefficients,
            const Masks& masks, const Out<"out", double>& out, Threads n_threads) {
  constexpr int kLastKind = static_cast<int>(fastexplain::TermKind::kTanh);
  require(kind >= 0 && kind <= kLastKind, "kind must be in 0 .. ", kLastKind, "; got ", kind);
  require(degree >= 1 && degree <= fastexplain::kMaxDegree, "degree must be in 1 .. ", fastexplain::kMaxDegree, "; got ",
          degree);
  const Sizes n(row, background, masks, fastexplain::kTermPad);
  const std::int64_t n_outputs = coefficients.dims<2>()[0];
  const fastexplain::ExpansionTask task{.kind = static_cast<fastexplain::TermKind>(kind),
                                        .degree = degree,
                                        .row = row.of_shape({n.n_players, n.n_terms}),
                                        .background = background.of_shape({n.n_background, n.n_players, n.n_terms}),
                                        .coefficients = coefficients.of_shape({n_outputs, n.n_terms}),
                                        .masks = masks.of_shape({n.n_masks, n.n_players}),
                                        .n_players = n.n_players,
                                        .n_terms = n.n_terms,
                                        .n_background = n.n_background,
                                        .n_masks = n.n_masks,
                                        .n_outputs = n_outputs,
                                        .out = out.of_shape({n.n_background, n.n_masks, n_outputs})};
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::expand(task, n_threads, python_interrupt_check());
}

void couple_probabilities(const In<"decisions", double>& decisions, const In<"slope", double>& slope,
                          const In<"shift", double>& shift, const Out<"out", double>& out, Threads n_threads) {
  constexpr std::int64_t kMostClasses = 1 << 20;  // their pairs can be counted
  const auto [n_rows, n_classes] = out.dims<2>();
  require(n_classes >= 2 && n_classes <= kMostClasses, "out must have a column for each of 2 .. ", kMostClasses,
          " classes; got ", n_classes);
  const std::int64_t n_pairs = n_classes * (n_classes - 1) / 2;
  const fastexplain::CouplingTask task{.decisions = decisions.of_shape({n_rows, n_pairs}),
                                       .slope = slope.of_shape({n_pairs}),
                                       .shift = shift.of_shape({n_pairs}),
                                       .n_rows = n_rows,
                                       .n_classes = n_classes,
                                       .out = out.of_shape({n_rows, n_classes})};
  const py::gil_scoped_release release;
  fastexplain::couple_probabilities(task, n_threads, python_interrupt_check());
}

void average_neighbors(const Row& row, const Background& background, const In<"targets", double>& targets, const Masks& masks,
                       std::int64_t n_neighbors, double power, bool by_distance, const Out<"out", double>& out,
                       Threads n_threads) {
  const Sizes n(row, background, masks, fastexplain::kTrainPad);
  const std::int64_t n_outputs = targets.dims<2>()[1];
  require(n_neighbors >= 1 && n_neighbors <= n.n_terms, "n_neighbors must be in 1 .. ", n.n_terms, ", the columns of row; got ",
          n_neighbors);
  require(power > 0 && std::isfinite(power), "power must be positive and finite; got ", power);
  const fastexplain::NeighborsTask task{.row = row.of_shape({n.n_players, n.n_terms}),
                                        .background = background.of_shape({n.n_background, n.n_players, n.n_terms}),
                                        .targets = targets.of_shape({n.n_terms, n_outputs}),
                                        .masks = masks.of_shape({n.n_masks, n.n_players}),
                                        .n_players = n.n_players,
                                        .n_train = n.n_terms,
                                        .n_background = n.n_background,
                                        .n_masks = n.n_masks,
                                        .n_outputs = n_outputs,
                                        .n_neighbors = n_neighbors,
                                        .power = power,
                                        .by_distance = by_distance,
                                        .out = out.of_shape({n.n_background, n.n_masks, n_outputs})};
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::average_neighbors(task, n_threads, python_interrupt_check());
}

}  // namespace

void bind_masked_predictions(py::module_& m) {
  m.def("expand", &expand, py::arg("kind"), py::arg("degree"), py::arg("row"), py::arg("background"), py::arg("coefficients"),
        py::arg("masks"), py::arg("out"), py::arg("n_threads"),
        "Write a weighted sum over terms for every background row and coalition; see expansion.h.");
  m.def("couple_probabilities", &couple_probabilities, py::arg("decisions"), py::arg("slope"), py::arg("shift"), py::arg("out"),
        py::arg("n_threads"), "Write class probabilities from one-versus-one decisions, as libsvm does.");
  m.def("average_neighbors", &average_neighbors, py::arg("row"), py::arg("background"), py::arg("targets"), py::arg("masks"),
        py::arg("n_neighbors"), py::arg("power"), py::arg("by_distance"), py::arg("out"), py::arg("n_threads"),
        "Write the mean target of the nearest training rows of every masked row; see neighbors.h.");
}
