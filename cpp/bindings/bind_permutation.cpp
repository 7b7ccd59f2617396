// Kernels of permutation importance for Python: shapes are checked here, values by the Python callers.
#include <memory>
#include <stdexcept>

#include "bindings.h"
#include "fastexplain/permutation/permutations.h"
#include "fastexplain/permutation/tree_permutation.h"
#include "forest_view.h"

namespace {

using fastexplain::TreePermuter;
using Doubles = py::array_t<double, py::array::c_style>;
using ColumnDoubles = py::array_t<double, py::array::f_style>;
using Ints = py::array_t<std::int32_t, py::array::c_style>;
using Longs = py::array_t<std::int64_t, py::array::c_style>;

void expect(bool condition, const char* message) {
  if (!condition) throw py::value_error(message);
}

void latin_permutations(const Ints& player, const Ints& rank, const Ints& stratum_rows, const Longs& stratum_offsets,
                        const Longs& player_strata, std::uint64_t seed, Ints& donors, Ints& bands, int n_threads) {
  expect(rank.ndim() == 2 && donors.ndim() == 3, "rank must be 2-D and donors 3-D");
  fastexplain::PermutationPlan plan;
  plan.n_players = rank.shape(0);
  plan.n_rows = rank.shape(1);
  plan.n_repeats = donors.shape(1);
  expect(player.size() == plan.n_players && player_strata.size() == plan.n_players + 1, "one entry per player is needed");
  expect(stratum_rows.size() == rank.size() && donors.shape(0) == plan.n_players && donors.shape(2) == plan.n_rows &&
             bands.size() == donors.size(),
         "shapes of rank, stratum_rows, donors and bands differ");
  expect(stratum_offsets.size() == player_strata.at(plan.n_players) + 1, "stratum_offsets and player_strata differ");
  plan.player = player.data();
  plan.rank = rank.data();
  plan.stratum_rows = stratum_rows.data();
  plan.stratum_offsets = stratum_offsets.data();
  plan.player_strata = player_strata.data();
  std::int32_t *to = donors.mutable_data(), *bands_to = bands.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::latin_permutations(plan, seed, to, bands_to, n_threads, python_interrupt_check());
}

void row_effects(const Doubles& terms, const Doubles& scores, const Doubles& baseline, const Doubles& weights,
                 const Ints& donors, const Ints& bands, double sign, Doubles& drops, Doubles& spread, Doubles& influence,
                 int n_threads) {
  expect(donors.ndim() == 3 && terms.size() == donors.size() && bands.size() == donors.size(),
         "terms, donors and bands must be (n_players, n_repeats, n_rows)");
  fastexplain::EffectsPlan plan;
  plan.n_players = donors.shape(0);
  plan.n_repeats = donors.shape(1);
  plan.n_rows = donors.shape(2);
  expect(scores.size() == plan.n_players * plan.n_repeats && baseline.size() == plan.n_rows && weights.size() == plan.n_rows &&
             drops.size() == plan.n_players * plan.n_rows && spread.size() == plan.n_players &&
             influence.size() == plan.n_players,
         "scores must be (n_players, n_repeats), drops (n_players, n_rows)");
  plan.sign = sign;
  plan.terms = terms.data();
  plan.scores = scores.data();
  plan.baseline = baseline.data();
  plan.weights = weights.data();
  plan.donors = donors.data();
  plan.bands = bands.data();
  double *to = drops.mutable_data(), *spread_to = spread.mutable_data(), *influence_to = influence.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::row_effects(plan, to, spread_to, influence_to, n_threads, python_interrupt_check());
}

void predict(const TreePermuter& self, const Doubles& X, const Doubles& base_offset, Doubles& out, int n_threads) {
  expect(X.ndim() == 2 && X.shape(1) == self.n_features() && base_offset.size() == self.n_outputs() &&
             out.size() == X.shape(0) * self.n_outputs(),
         "X must be (n_rows, n_features), out (n_rows, n_outputs)");
  const double *x = X.data(), *offset = base_offset.data();
  const std::int64_t n_rows = X.shape(0);
  double* to = out.mutable_data();
  const py::gil_scoped_release release;
  self.predict(x, n_rows, offset, to, n_threads, python_interrupt_check());
}

void replace(const TreePermuter& self, const Doubles& X, const ColumnDoubles& by_column, const Ints& feature_player,
             const Longs& job_offsets, const Ints& donors, const Doubles& base, Doubles& out, int n_threads) {
  expect(X.ndim() == 2 && X.shape(1) == self.n_features() && by_column.size() == X.size(), "X must be (n_rows, n_features)");
  fastexplain::ReplacementPlan plan;
  plan.n_rows = X.shape(0);
  plan.n_players = job_offsets.size() - 1;
  expect(plan.n_players >= 0 && feature_player.size() == self.n_features(), "feature_player must have n_features entries");
  const std::int64_t n_jobs = job_offsets.at(plan.n_players);
  expect(donors.size() == n_jobs * plan.n_rows && base.size() == plan.n_rows * self.n_outputs() &&
             out.size() == n_jobs * plan.n_rows * self.n_outputs(),
         "donors must be (n_jobs, n_rows), out (n_jobs, n_rows, n_outputs)");
  for (std::int64_t p = 0; p < plan.n_players; ++p)
    expect(job_offsets.at(p + 1) - job_offsets.at(p) <= fastexplain::kMaxReplacements, "too many replacements per player");
  plan.feature_player = feature_player.data();
  plan.job_offsets = job_offsets.data();
  plan.donors = donors.data();
  const double *x = X.data(), *columns = by_column.data(), *from = base.data();
  double* to = out.mutable_data();
  const py::gil_scoped_release release;
  self.replace(x, columns, plan, from, to, n_threads, python_interrupt_check());
}

}  // namespace

void bind_permutation(py::module_& m) {
  m.def("latin_permutations", &latin_permutations, py::arg("player").noconvert(), py::arg("rank").noconvert(),
        py::arg("stratum_rows").noconvert(), py::arg("stratum_offsets").noconvert(), py::arg("player_strata").noconvert(),
        py::arg("seed"), py::arg("donors").noconvert(), py::arg("bands").noconvert(), py::arg("n_threads"),
        "Fill donors and bands, (n_players, n_repeats, n_rows), with stratified permutations.");
  m.def("row_effects", &row_effects, py::arg("terms").noconvert(), py::arg("scores").noconvert(),
        py::arg("baseline").noconvert(), py::arg("weights").noconvert(), py::arg("donors").noconvert(),
        py::arg("bands").noconvert(), py::arg("sign"), py::arg("drops").noconvert(), py::arg("spread").noconvert(),
        py::arg("influence").noconvert(), py::arg("n_threads"), "What rows do to importances; see permutations.h.");
  py::class_<TreePermuter>(m, "TreePermuter", "A forest laid out for re-evaluation with replaced features.")
      .def(py::init([](const py::object& forest, const Doubles& values, double grid) {
             fastexplain::ForestView view = view_of(forest);
             expect(values.size() == view.tree_offsets[view.n_trees] * view.n_leaf_outputs,
                    "values must be (n_nodes, n_leaf_outputs)");
             view.values = values.data();
             return std::make_unique<TreePermuter>(view, grid);
           }),
           py::arg("forest"), py::arg("values").noconvert(), py::arg("grid"), py::keep_alive<1, 2>(), py::keep_alive<1, 3>())
      .def("predict", &predict, py::arg("X").noconvert(), py::arg("base_offset").noconvert(), py::arg("out").noconvert(),
           py::arg("n_threads"))
      .def("replace", &replace, py::arg("X").noconvert(), py::arg("by_column").noconvert(),
           py::arg("feature_player").noconvert(), py::arg("job_offsets").noconvert(), py::arg("donors").noconvert(),
           py::arg("base").noconvert(), py::arg("out").noconvert(), py::arg("n_threads"));
}
