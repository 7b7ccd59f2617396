// Replaced columns against rows that are made and walked one by one. Leaves are whole numbers, so that every sum is exact and
// the outputs must be equal; main.cpp's suite runs under each instruction set.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "../tree/forests.h"
#include "fastexplain/permutation/replacement_predictor.h"

namespace fastexplain::testing {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// How the random trees are made.
struct Shape {
  std::int32_t n_features = 3, n_leaf_outputs = 1;
  int depth = 5;
  bool nested = true;          // cuts lie between those above them, so that every leaf can be reached
  bool mixed_missing = false;  // missing values go to either side, and there are some
};

struct Range {
  double low, high;
};

Node random_node(Random& random, const Shape& shape, int depth, std::vector<Range> ranges) {
  if (depth == 0 || random.chance(0.1)) {
    std::vector<double> values;
    for (std::int32_t k = 0; k < shape.n_leaf_outputs; ++k) values.push_back(random.below(2001) - 1000);
    return leaf(values);
  }
  const std::int32_t f = random.below(shape.n_features);
  const Range range = shape.nested ? ranges[f] : Range{0, 1};
  const double cut = range.low + (range.high - range.low) * (0.2 + 0.6 * random.uniform());
  std::vector<Range> left = ranges, right = ranges;
  left[f].high = right[f].low = cut;
  const bool default_left = shape.mixed_missing && random.chance(0.5);
  Node first = random_node(random, shape, depth - 1, left);
  return split(f, cut, first, random_node(random, shape, depth - 1, right), default_left);
}

ForestArrays random_trees(Random& random, const Shape& shape, int n_trees) {
  ForestArrays forest(shape.n_features, shape.n_leaf_outputs, shape.n_leaf_outputs);
  for (int t = 0; t < n_trees; ++t)
    forest.add_tree(random_node(random, shape, shape.depth, std::vector<Range>(shape.n_features, {0, 1})));
  return forest;
}

std::vector<double> outputs_of(const ForestView& forest, const double* row) {
  std::vector<double> sums(forest.n_outputs, 0.0);
  for (std::int64_t t = 0; t < forest.n_trees; ++t) {
    const std::int64_t root = forest.tree_offsets[t];
    std::int64_t at = root;
    while (!forest.is_leaf(at)) {
      const double x = row[forest.feature[at]];
      const bool left = std::isnan(x) ? forest.default_left[at] != 0 : x <= forest.threshold[at];
      at = root + (left ? forest.children_left[at] : forest.children_right[at]);
    }
    for (std::int32_t k = 0; k < forest.n_outputs; ++k) sums[k] += forest.values[at * forest.n_leaf_outputs + k];
  }
  return sums;
}

void check(const Shape& shape, std::int64_t n_rows, std::int64_t n_repeats, const std::vector<std::int32_t>& player_of) {
  Random random(static_cast<std::uint64_t>(n_rows * 100 + n_repeats + shape.depth));
  const ForestArrays forest = random_trees(random, shape, 12);
  const ForestView view = forest.view();
  const std::int64_t p = shape.n_features;
  std::vector<double> x(n_rows * p);
  for (double& value : x) value = shape.mixed_missing && random.chance(0.2) ? kNaN : random.uniform();
  const std::int64_t n_players = *std::max_element(player_of.begin(), player_of.end()) + 1;
  std::vector<std::int64_t> offsets;
  for (std::int64_t player = 0; player <= n_players; ++player) offsets.push_back(player * n_repeats);
  std::vector<std::int32_t> donors(n_players * n_repeats * n_rows);
  for (std::int32_t& donor : donors) donor = random.below(static_cast<int>(n_rows));

  const ReplacementPredictor predictor(view, 1.0);
  const std::int64_t k_out = shape.n_leaf_outputs;
  const std::vector<double> offset(k_out, 3.0);
  std::vector<double> base(n_rows * k_out), out(donors.size() * k_out);
  predictor.predict(x.data(), n_rows, offset.data(), base.data(), 2, {});
  const ReplacementPlan plan{n_rows, n_players, player_of.data(), offsets.data(), donors.data()};
  predictor.replace(x.data(), plan, base.data(), out.data(), 2, {});
  for (std::int64_t i = 0; i < n_rows; ++i) {
    const std::vector<double> own = outputs_of(view, x.data() + i * p);
    for (std::int64_t k = 0; k < k_out; ++k) REQUIRE(base[i * k_out + k] == own[k] + 3);
    for (std::int64_t job = 0; job < n_players * n_repeats; ++job) {
      std::vector<double> row(x.begin() + i * p, x.begin() + (i + 1) * p);
      for (std::int64_t f = 0; f < p; ++f)
        if (player_of[f] == job / n_repeats) row[f] = x[donors[job * n_rows + i] * p + f];
      const std::vector<double> expected = outputs_of(view, row.data());
      for (std::int64_t k = 0; k < k_out; ++k) REQUIRE(out[(job * n_rows + i) * k_out + k] == expected[k] + 3);
    }
  }
}

TEST_CASE("splits on one feature below each other are replaced as rows are") {
  for (const std::int64_t n_rows : {1, 63, 64, 65, 300})
    for (const std::int64_t n_repeats : {1, 5, 9}) check({}, n_rows, n_repeats, {0, 1, 2});
}

TEST_CASE("so are missing values, whichever way each split sends them") {
  for (const int depth : {3, 7}) check({2, 1, depth, true, true}, 200, 5, {0, 1});
}

TEST_CASE("so are splits that part nothing") { check({2, 1, 6, false, false}, 200, 5, {0, 1}); }

TEST_CASE("so are features that go together, and those that stay") {
  for (const bool mixed : {false, true}) check({5, 1, 6, true, mixed}, 130, 3, {0, 1, 0, -1, 1});
}

TEST_CASE("so are leaves of several outputs") {
  check({3, 3, 6, true, false}, 100, 4, {0, 1, 2});
  check({3, 2, 5, true, true}, 70, 2, {0, 0, 1});
}

}  // namespace
}  // namespace fastexplain::testing
