// Kernels of Kernel SHAP for Python.
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "fastexplain/kernel/coalitions.h"
#include "fastexplain/kernel/masking.h"
#include "fastexplain/kernel/odd_gp.h"
#include "fastexplain/kernel/odd_process.h"

namespace {

constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();

std::uint64_t pairs_of_size(int n_players, int size) {
  require(n_players >= 1, "n_players must be at least 1; got ", n_players);
  require(size >= 0 && size <= n_players / 2, "size must be in 0 .. n_players / 2 = ", n_players / 2, "; got ", size);
  return fastexplain::pairs_of_size(n_players, size);
}

void fill_coalitions(const In<"size", std::int32_t>& size, const In<"index", std::int64_t>& index, std::uint64_t seed,
                     const Out<"masks", std::uint8_t>& masks, Threads n_threads) {
  const auto [n_pairs, n_players] = masks.dims<2>();
  require(n_players <= kMaxInt32, "masks must have fewer than 2**31 columns; got ", n_players);
  const std::int64_t largest = n_players / 2;
  const fastexplain::CoalitionTask task{.n_players = static_cast<int>(n_players),
                                        .n_pairs = n_pairs,
                                        .size = size.of_shape_within({n_pairs}, 1, largest),
                                        .index = index.of_shape_within({n_pairs}, 0, std::numeric_limits<std::int64_t>::max()),
                                        .seed = seed,
                                        .masks = masks.of_shape({n_pairs, n_players})};
  if (masks.empty()) return;
  // An index beyond the last coalition of its size would be looked for without end.
  const std::vector<std::uint64_t> pairs = fastexplain::pairs_of_sizes(task.n_players, static_cast<int>(largest));
  for (std::int64_t p = 0; p < n_pairs; ++p) {
    const std::uint64_t n = pairs[static_cast<std::size_t>(task.size[p])];
    require(n == fastexplain::kCountless || static_cast<std::uint64_t>(task.index[p]) < n, "index[", p, "] is ", task.index[p],
            "; expected 0 .. ", n - 1, ", the pairs of size ", task.size[p], " among ", n_players, " players");
  }
  const py::gil_scoped_release release;
  fastexplain::fill_coalitions(task, n_threads);
}

void require_same_type(const Array<const void>& array, const Array<void>& out) {
  if (!array.equivalent(out.dtype()))
    throw py::type_error(text_of(array.full_name(), " must hold ", out.dtype(), ", as out does; got ", array.dtype()));
}

void fill_masked_rows(const In<"X", void>& X, const In<"background", void>& background, const In<"masks", std::uint8_t>& masks,
                      const In<"row", std::int32_t>& row, const In<"mask", std::int32_t>& mask,
                      const In<"background_row", std::int32_t>& background_row, const Out<"out", void>& out,
                      Threads n_threads) {
  const auto [n_out, n_columns] = out.dims<2>();
  const std::int64_t n_rows = X.dims<2>()[0], n_background = background.dims<2>()[0], n_masks = masks.dims<2>()[0];
  const std::int64_t bytes = out.item_bytes();
  require(bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8, "out must have items of 1, 2, 4 or 8 bytes; got ", bytes);
  require_same_type(X, out);
  require_same_type(background, out);
  const fastexplain::MaskingTask task{.X = X.of_shape({n_rows, n_columns}),
                                      .background = background.of_shape({n_background, n_columns}),
                                      .masks = masks.of_shape_within({n_masks, n_columns}, 0, 1),
                                      .row = row.of_shape_within({n_out}, 0, n_rows - 1),
                                      .mask = mask.of_shape_within({n_out}, 0, n_masks - 1),
                                      .background_row = background_row.of_shape_within({n_out}, 0, n_background - 1),
                                      .n_out = n_out,
                                      .n_columns = n_columns,
                                      .item_bytes = static_cast<int>(bytes),
                                      .out = out.of_shape({n_out, n_columns})};
  if (out.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::fill_masked_rows(task, n_threads);
}

py::tuple distinct_masked_rows(const In<"masks", std::uint8_t>& masks, const In<"differs", std::uint8_t>& differs) {
  const auto [n_masks, n_players] = masks.dims<2>();
  const std::int64_t n_background = differs.dims<2>()[0];
  fastexplain::DistinctTask task{.masks = masks.of_shape({n_masks, n_players}),
                                 .differs = differs.of_shape({n_background, n_players}),
                                 .n_masks = n_masks,
                                 .n_background = n_background,
                                 .n_players = n_players};
  // Slots are numbered by int32.
  require(n_background < kMaxInt32 && n_masks <= (kMaxInt32 - n_background - 1) / std::max<std::int64_t>(1, n_background),
          "masks and differs give too many masked rows at once: ", n_masks, " times ", n_background,
          "; expected fewer than 2**31");
  const py::ssize_t n = n_masks * n_background;
  py::array_t<std::int32_t> input_of({n_masks, n_background}), unique_mask(n), unique_background(n);
  task.input_of = input_of.mutable_data();
  task.unique_mask = unique_mask.mutable_data();
  task.unique_background = unique_background.mutable_data();
  std::int64_t n_unique = 0;
  if (n > 0) {
    const py::gil_scoped_release release;
    n_unique = fastexplain::distinct_masked_rows(task);
  }
  const py::slice used(0, n_unique, 1);
  return py::make_tuple(input_of, unique_mask[used], unique_background[used]);
}

void odd_covariance(const Out<"gram", double>& gram, const In<"linear", double>& linear, double log_norm, double scale,
                    Threads n_threads) {
  const auto [n, m] = gram.dims<2>();
  const fastexplain::OddCovarianceTask task{.gram = gram.of_shape({n, m}),
                                            .linear = linear.of_shape({n, m}),
                                            .size = gram.size(),
                                            .log_norm = log_norm,
                                            .scale = scale};
  const py::gil_scoped_release release;
  fastexplain::odd_covariance(task, n_threads);
}

void odd_cross_covariance(const In<"signs", double>& signs, const In<"rho", double>& rho, const In<"points", double>& points,
                          const In<"weights", double>& weights, double scale, const Out<"cross", double>& cross,
                          Threads n_threads) {
  const auto [n_pairs, n_players] = signs.dims<2>();
  const std::int64_t n_points = points.dims<1>()[0];
  const fastexplain::OddCrossTask task{.signs = signs.of_shape({n_pairs, n_players}),
                                       .rho = rho.of_shape({n_players}),
                                       .n_pairs = n_pairs,
                                       .n_players = n_players,
                                       .points = points.of_shape({n_points}),
                                       .weights = weights.of_shape({n_points}),
                                       .n_points = n_points,
                                       .scale = scale,
                                       .cross = cross.of_shape({n_pairs, n_players})};
  if (cross.empty()) return;
  const py::gil_scoped_release release;
  fastexplain::odd_cross_covariance(task, n_threads);
}

using Signs = In<"signs", double>;
using Left = In<"left", double>;
using Rho = In<"rho", double>;

fastexplain::OddData odd_data(const Signs& signs, const Left& left) {
  const auto [n_points, n_players] = signs.dims<2>();
  const std::int64_t n_games = left.dims<2>()[1];
  require(n_players >= 1, "signs must have a player; got shape (", n_points, ", 0)");
  require(n_points > n_players, "signs must have more coalitions than players; got ", n_points, " for ", n_players, " players");
  const double* sign = signs.of_shape({n_points, n_players});
  for (std::int64_t i = 0; i < signs.size(); ++i)
    require(sign[i] == 1.0 || sign[i] == -1.0, "signs[", i / n_players, ", ", i % n_players, "] is ", sign[i],
            "; expected 1 or -1");
  return {.signs = sign,
          .n_points = n_points,
          .n_players = n_players,
          .left = left.of_shape_without_nan({n_points, n_games}),
          .n_games = n_games};
}

fastexplain::OddPrior odd_prior(const Rho& rho, std::int64_t n_players, double scale, double full_noise) {
  const double* strength = rho.of_shape({n_players});
  for (std::int64_t j = 0; j < n_players; ++j)
    require(std::abs(strength[j]) < 1, "rho[", j, "] is ", strength[j], "; expected a number between -1 and 1");
  require_finite("scale", scale);
  require(std::isfinite(full_noise) && full_noise > 0, "full_noise must be positive; got ", full_noise);
  return {.rho = strength, .scale = scale, .full_noise = full_noise};
}

// At least `least` rising positive numbers.
template <class Argument>
const double* rising(const Argument& numbers, const char* name, std::int64_t least) {
  const std::int64_t n = numbers.template dims<1>()[0];
  require(n >= least, name, " must hold at least ", least, " numbers; got ", n);
  const double* entry = numbers.of_shape_without_nan({n});
  for (std::int64_t i = 0; i < n; ++i)
    require(entry[i] > (i ? entry[i - 1] : 0.0) && std::isfinite(entry[i]), name, "[", i, "] is ", entry[i],
            "; expected positive numbers that rise");
  return entry;
}

py::tuple odd_tune(const Signs& signs, const Left& left, const In<"relevance", double>& relevance,
                   const In<"powers", double>& powers, const In<"strengths", double>& strengths,
                   const In<"nuggets", double>& nuggets, double full_noise, double most_players,
                   std::optional<std::array<std::int64_t, 3>> start) {
  const fastexplain::OddData data = odd_data(signs, left);
  const std::int64_t n_powers = powers.dims<1>()[0];
  const double *of_players = relevance.of_shape({data.n_players}), *of_powers = powers.of_shape({n_powers});
  for (std::int64_t j = 0; j < data.n_players; ++j)
    require(of_players[j] > 0 && of_players[j] <= 1, "relevance[", j, "] is ", of_players[j], "; expected a number in (0, 1]");
  require(n_powers >= 1, "powers must hold a number");
  for (std::int64_t p = 0; p < n_powers; ++p)
    require(of_powers[p] >= 0, "powers[", p, "] is ", of_powers[p], "; expected 0 or more");
  const double* of_strengths = rising(strengths, "strengths", 3);
  const std::int64_t n_strengths = strengths.dims<1>()[0];
  require(of_strengths[n_strengths - 1] < 1, "strengths must be below 1; got ", of_strengths[n_strengths - 1]);
  require(std::isfinite(full_noise) && full_noise > 0, "full_noise must be positive; got ", full_noise);
  require(most_players > 0, "most_players must be positive; got ", most_players);
  fastexplain::OddPlace place;
  fastexplain::OddTuneTask task{.data = data,
                                .relevance = of_players,
                                .powers = of_powers,
                                .n_powers = n_powers,
                                .strengths = of_strengths,
                                .n_strengths = n_strengths,
                                .nuggets = rising(nuggets, "nuggets", 2),
                                .n_nuggets = nuggets.dims<1>()[0],
                                .full_noise = full_noise,
                                .most_players = most_players};
  if (start) {
    place = {.power = (*start)[0], .strength = (*start)[1], .nugget = (*start)[2]};
    const bool inside = place.power >= 0 && place.power < n_powers && place.strength >= 0 && place.strength < n_strengths &&
                        place.nugget >= 0 && place.nugget < task.n_nuggets;
    require(inside, "start must be the numbers of a power, a strength and a nugget; got (", place.power, ", ", place.strength,
            ", ", place.nugget, ")");
    task.start = &place;
  }
  {
    const py::gil_scoped_release release;
    place = fastexplain::odd_tune(task);
  }
  return py::make_tuple(place.power, place.strength, place.nugget);
}

void odd_fit(const Signs& signs, const Left& left, const Rho& rho, double scale, double full_noise, double nugget,
             const In<"points", double>& points, const In<"weights", double>& weights, const Out<"values", double>& values,
             const Out<"variance", double>& variance, const Out<"spread", double>& spread,
             const Out<"residual", double>& residual) {
  const fastexplain::OddData data = odd_data(signs, left);
  const std::int64_t n_points = points.dims<1>()[0];
  require_finite("nugget", nugget);
  const fastexplain::OddFitTask task{.data = data,
                                     .prior = odd_prior(rho, data.n_players, scale, full_noise),
                                     .nugget = nugget,
                                     .points = points.of_shape({n_points}),
                                     .weights = weights.of_shape({n_points}),
                                     .n_quadrature = n_points,
                                     .values = values.of_shape({data.n_players, data.n_games}),
                                     .variance = variance.of_shape({data.n_players}),
                                     .spread = spread.of_shape({data.n_games}),
                                     .residual = residual.of_shape({data.n_points - 1, data.n_games})};
  const py::gil_scoped_release release;
  fastexplain::odd_fit(task);
}

}  // namespace

void bind_kernel_shap(py::module_& m) {
  m.def("pairs_of_size", &pairs_of_size, py::arg("n_players"), py::arg("size"),
        "Pairs of a coalition of this size and its complement, at most 2**62.");
  m.def("fill_coalitions", &fill_coalitions, py::arg("size"), py::arg("index"), py::arg("seed"), py::arg("masks"),
        py::arg("n_threads"),
        "Write masks (n_pairs, n_players) of the coalitions `index` among those of `size`, both (n_pairs,).");
  m.def("fill_masked_rows", &fill_masked_rows, py::arg("X"), py::arg("background"), py::arg("masks"), py::arg("row"),
        py::arg("mask"), py::arg("background_row"), py::arg("out"), py::arg("n_threads"),
        "Write rows that take each column from a row of X, or of the background where the mask is 0.");
  m.def("distinct_masked_rows", &distinct_masked_rows, py::arg("masks"), py::arg("differs"),
        "Which masked rows of one explained row differ from each other; see masking.h.");
  m.def("odd_covariance", &odd_covariance, py::arg("gram"), py::arg("linear"), py::arg("log_norm"), py::arg("scale"),
        py::arg("n_threads"), "Turn gram into the covariance of odd set functions; see odd_gp.h.");
  m.def("odd_cross_covariance", &odd_cross_covariance, py::arg("signs"), py::arg("rho"), py::arg("points"), py::arg("weights"),
        py::arg("scale"), py::arg("cross"), py::arg("n_threads"),
        "Write the covariance of Shapley values and coalitions; see odd_gp.h.");
  m.def("odd_tune", &odd_tune, py::arg("signs"), py::arg("left"), py::arg("relevance"), py::arg("powers"), py::arg("strengths"),
        py::arg("nuggets"), py::arg("full_noise"), py::arg("most_players"), py::arg("start"),
        "Numbers of the likeliest prior's power, strength and nugget; see odd_process.h.");
  m.def("odd_fit", &odd_fit, py::arg("signs"), py::arg("left"), py::arg("rho"), py::arg("scale"), py::arg("full_noise"),
        py::arg("nugget"), py::arg("points"), py::arg("weights"), py::arg("values"), py::arg("variance"), py::arg("spread"),
        py::arg("residual"), "Write values, posterior variances and residuals under one prior; see odd_process.h.");
}
