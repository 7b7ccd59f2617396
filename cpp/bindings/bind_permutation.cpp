// Kernels of permutation importance for Python.
#include <limits>
#include <memory>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/permutation/permutations.h"
#include "fastexplain/permutation/replacement_predictor.h"
#include "forest_view.h"

using fastexplain::ForestView;
using fastexplain::ReplacementPredictor;

namespace {

constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();

// Offsets that cut 0 .. `end` into consecutive parts.
template <Name kName>
const std::int64_t* parts_of(const In<kName, std::int64_t>& offsets, std::int64_t n_parts, std::int64_t end) {
  const std::int64_t* found = offsets.of_shape_within({n_parts + 1}, 0, end);
  require(found[0] == 0 && found[n_parts] == end, kName.text, " must run from 0 to ", end, "; got ", found[0], " to ",
          found[n_parts]);
  for (std::int64_t part = 0; part < n_parts; ++part)
    require(found[part] <= found[part + 1], kName.text, "[", part + 1, "] is ", found[part + 1], ", less than the one before");
  return found;
}

// Each player's strata hold each row once.
void check_strata(const fastexplain::PermutationPlan& plan) {
  std::vector<std::int64_t> seen_by(static_cast<std::size_t>(plan.n_rows), -1);
  for (std::int64_t p = 0; p < plan.n_players; ++p) {
    const std::int64_t first = plan.stratum_offsets[plan.player_strata[p]];
    require(first == p * plan.n_rows, "stratum_offsets must be ", p * plan.n_rows, " where player ", p, " begins; got ", first);
    for (std::int64_t i = 0; i < plan.n_rows; ++i) {
      const std::int32_t row = plan.stratum_rows[p * plan.n_rows + i];
      require(seen_by[static_cast<std::size_t>(row)] != p, "stratum_rows must hold each row once; row ", row, " of player ", p,
              " comes twice");
      seen_by[static_cast<std::size_t>(row)] = p;
    }
  }
}

void latin_permutations(const In<"player", std::int32_t>& player, const In<"rank", std::int32_t>& rank,
                        const In<"stratum_rows", std::int32_t>& stratum_rows,
                        const In<"stratum_offsets", std::int64_t>& stratum_offsets,
                        const In<"player_strata", std::int64_t>& player_strata, std::uint64_t seed,
                        const Out<"donors", std::int32_t>& donors, const Out<"bands", std::int32_t>& bands, Threads n_threads) {
  const auto [n_players, n_repeats, n_rows] = donors.dims<3>();
  require(n_rows <= kMaxInt32 && n_repeats <= kMaxInt32, "at most 2**31 - 1 rows and repeats fit; got ", n_rows, " and ",
          n_repeats);
  const std::int64_t n_strata = stratum_offsets.dims<1>()[0] - 1;
  const fastexplain::PermutationPlan plan{
      .n_players = n_players,
      .n_rows = n_rows,
      .n_repeats = n_repeats,
      .player = player.of_shape({n_players}),
      .rank = rank.of_shape_within({n_players, n_rows}, 0, kMaxInt32 - 2),
      .stratum_rows = stratum_rows.of_shape_within({n_players, n_rows}, 0, n_rows - 1),
      .stratum_offsets = parts_of(stratum_offsets, n_strata, n_players * n_rows),
      .player_strata = parts_of(player_strata, n_players, n_strata),
  };
  std::int32_t *to = donors.of_shape({n_players, n_repeats, n_rows}),
               *bands_to = bands.of_shape({n_players, n_repeats, n_rows});
  if (donors.empty()) return;
  check_strata(plan);
  const py::gil_scoped_release release;
  fastexplain::latin_permutations(plan, seed, to, bands_to, n_threads, python_interrupt_check());
}

void row_effects(const In<"terms", double>& terms, const In<"scores", double>& scores, const In<"baseline", double>& baseline,
                 const In<"weights", double>& weights, const In<"donors", std::int32_t>& donors,
                 const In<"bands", std::int32_t>& bands, double sign, const Out<"drops", double>& drops,
                 const Out<"spread", double>& spread, const Out<"influence", double>& influence, Threads n_threads) {
  const auto [n_players, n_repeats, n_rows] = donors.dims<3>();
  require(n_repeats >= 1, "donors must have a repeat; got shape (", n_players, ", ", n_repeats, ", ", n_rows, ")");
  const fastexplain::EffectsPlan plan{.n_players = n_players,
                                      .n_repeats = n_repeats,
                                      .n_rows = n_rows,
                                      .sign = sign,
                                      .terms = terms.of_shape({n_players, n_repeats, n_rows}),
                                      .scores = scores.of_shape({n_players, n_repeats}),
                                      .baseline = baseline.of_shape({n_rows}),
                                      .weights = weights.of_shape({n_rows}),
                                      .donors = donors.of_shape_within({n_players, n_repeats, n_rows}, 0, n_rows - 1),
                                      .bands = bands.of_shape_within({n_players, n_repeats, n_rows}, 0, n_repeats - 1)};
  double *to = drops.of_shape({n_players, n_rows}), *spread_to = spread.of_shape({n_players});
  double* influence_to = influence.of_shape({n_players});
  if (spread.empty() || n_rows == 0) {
    std::fill_n(spread_to, n_players, std::numeric_limits<double>::quiet_NaN());
    std::fill_n(influence_to, n_players, 0.0);
    return;
  }
  const py::gil_scoped_release release;
  fastexplain::row_effects(plan, to, spread_to, influence_to, n_threads, python_interrupt_check());
}

// A ReplacementPredictor and what it goes on reading of the forest after its construction: copies of what leads it through
// memory, so that it stays within bounds whatever becomes of the forest, and the leaf values themselves.
class BoundPredictor {
 public:
  BoundPredictor(const py::object& forest, const In<"values", double>& values, double grid)
      : BoundPredictor(BorrowedForest(forest), values, grid) {}
  BoundPredictor(const BoundPredictor&) = delete;
  BoundPredictor& operator=(const BoundPredictor&) = delete;

  const ReplacementPredictor* operator->() const { return &predictor_; }

 private:
  BoundPredictor(const BorrowedForest& forest, const In<"values", double>& values, double grid)
      : values_(py::reinterpret_borrow<py::object>(values.object())), predictor_(view_of(forest, values), checked(grid)) {}

  static double checked(double grid) {
    require(grid >= 0 && std::isfinite(grid), "grid must be finite and not negative; got ", grid);
    return grid;
  }

  ForestView view_of(const BorrowedForest& forest, const In<"values", double>& values) {
    ForestView view = forest.view();
    require(forest.n_nodes() <= kMaxInt32 / view.n_leaf_outputs, "values must have fewer than 2**31 entries; got ",
            forest.n_nodes(), " nodes of ", view.n_leaf_outputs, " outputs");
    view.values = values.of_shape({forest.n_nodes(), view.n_leaf_outputs});
    tree_output_.assign(view.tree_output, view.tree_output + view.n_trees);
    view.tree_output = tree_output_.data();
    if (view.category_set != nullptr) {
      category_set_offsets_.assign(view.category_set_offsets, view.category_set_offsets + forest.n_sets() + 1);
      category_set_members_.assign(view.category_set_members, view.category_set_members + category_set_offsets_.back());
      view.category_set_offsets = category_set_offsets_.data();
      view.category_set_members = category_set_members_.data();
    }
    return view;
  }

  py::object values_;
  std::vector<std::int32_t> tree_output_, category_set_members_;
  std::vector<std::int64_t> category_set_offsets_;
  ReplacementPredictor predictor_;
};

void predict(const BoundPredictor& self, const In<"X", double>& X, const In<"base_offset", double>& base_offset,
             const Out<"out", double>& out, Threads n_threads) {
  const std::int64_t n_rows = X.dims<2>()[0], n_outputs = self->n_outputs();
  const double *x = X.of_shape({n_rows, self->n_features()}), *offset = base_offset.of_shape({n_outputs});
  double* to = out.of_shape({n_rows, n_outputs});
  if (out.empty()) return;
  const py::gil_scoped_release release;
  self->predict(x, n_rows, offset, to, n_threads, python_interrupt_check());
}

// Jobs of each player, 0 .. n_jobs in all, and the columns of replaced values that they make.
void check_jobs(const fastexplain::ReplacementPlan& plan, std::int64_t n_features) {
  for (std::int64_t p = 0; p < plan.n_players; ++p) {
    const std::int64_t n = plan.job_offsets[p + 1] - plan.job_offsets[p];
    require(n <= fastexplain::kMaxReplacements, "job_offsets give player ", p, " ", n, " jobs; expected at most ",
            fastexplain::kMaxReplacements);
  }
  std::int64_t n_columns = 0;
  for (std::int64_t f = 0; f < n_features; ++f) {
    const std::int32_t p = plan.feature_player[f];
    if (p >= 0) n_columns += plan.job_offsets[p + 1] - plan.job_offsets[p];
  }
  require(n_columns <= kMaxInt32, "job_offsets ask for ", n_columns, " replaced columns; expected fewer than 2**31");
}

void replace(const BoundPredictor& self, const In<"X", double>& X, const In<"feature_player", std::int32_t>& feature_player,
             const In<"job_offsets", std::int64_t>& job_offsets, const In<"donors", std::int32_t>& donors,
             const In<"base", double>& base, const Out<"out", double>& out, Threads n_threads) {
  const auto [n_jobs, n_rows, n_outputs] = out.dims<3>();
  const std::int64_t n_players = job_offsets.dims<1>()[0] - 1, n_features = self->n_features();
  require(n_players >= 0, "job_offsets must not be empty");
  require(n_jobs <= kMaxInt32, "at most 2**31 - 1 jobs fit; got ", n_jobs);
  const double* x = X.of_shape({n_rows, n_features});
  const double* from = base.of_shape({n_rows, self->n_outputs()});
  double* to = out.of_shape({n_jobs, n_rows, self->n_outputs()});
  const fastexplain::ReplacementPlan plan{
      .n_rows = n_rows,
      .n_players = n_players,
      .feature_player = feature_player.of_shape_within({n_features}, -1, n_players - 1),
      .job_offsets = parts_of(job_offsets, n_players, n_jobs),
      .donors = donors.of_shape_within({n_jobs, n_rows}, 0, n_rows - 1),
  };
  if (out.empty()) return;
  check_jobs(plan, n_features);
  const py::gil_scoped_release release;
  self->replace(x, plan, from, to, n_threads, python_interrupt_check());
}

}  // namespace

void bind_permutation(py::module_& m) {
  m.def("latin_permutations", &latin_permutations, py::arg("player"), py::arg("rank"), py::arg("stratum_rows"),
        py::arg("stratum_offsets"), py::arg("player_strata"), py::arg("seed"), py::arg("donors"), py::arg("bands"),
        py::arg("n_threads"), "Fill donors and bands, (n_players, n_repeats, n_rows), with stratified permutations.");
  m.def("row_effects", &row_effects, py::arg("terms"), py::arg("scores"), py::arg("baseline"), py::arg("weights"),
        py::arg("donors"), py::arg("bands"), py::arg("sign"), py::arg("drops"), py::arg("spread"), py::arg("influence"),
        py::arg("n_threads"), "What rows do to importances; see permutations.h.");
  py::class_<BoundPredictor>(m, "ReplacementPredictor", "Predicts rows of which some columns were replaced.")
      .def(py::init<const py::object&, const In<"values", double>&, double>(), py::arg("forest"), py::arg("values"),
           py::arg("grid"))
      .def("predict", &predict, py::arg("X"), py::arg("base_offset"), py::arg("out"), py::arg("n_threads"),
           "Write raw outputs (n_rows, n_outputs) of the rows of X.")
      .def("replace", &replace, py::arg("X"), py::arg("feature_player"), py::arg("job_offsets"), py::arg("donors"),
           py::arg("base"), py::arg("out"), py::arg("n_threads"),
           "Write raw outputs (n_jobs, n_rows, n_outputs) after each job's features were replaced; see "
           "replacement_predictor.h.");
}
