// Outputs that follow from a margin, explained by tables of pairs, as calls of many rows are, and by walks.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "bits.h"
#include "explain.h"
#include "fastexplain/tree/interventional_shap.h"
#include "forests.h"
#include "naive_tree_shap.h"
#include "tree/output_transform.h"

namespace fastexplain::testing {
namespace {

constexpr std::int64_t kManyRows = 1 << 20;
constexpr OutputTransform kProbability{OutputTransform::Kind::kProbability, 0.5, 0.25, nullptr};

constexpr InterventionalOptions kNoPairTables{.table_bytes = 0};

ForestArrays shallow(std::uint64_t seed, int n_trees = 20) {
  ForestShape shape;
  shape.n_trees = n_trees;
  shape.n_features = 9;
  shape.max_depth = 4;
  shape.categorical_chance = 0.2;
  shape.zero_cover_chance = 0.1;
  return random_forest(shape, seed);
}

struct Pairs {
  const ForestArrays& forest;
  std::vector<double> background;
  TransformedShap shap;

  Pairs(const ForestArrays& of, std::int64_t n_background, InterventionalOptions options = {}, int n_threads = 1)
      : forest(of),
        background(random_rows(of, n_background, 77)),
        shap(of.view(), view_of(background, of.n_features()), weights(n_background).data(), n_threads, options) {}

  static std::vector<double> weights(std::int64_t n) {
    std::vector<double> weights(n, 0.5);
    for (std::int64_t i = 0; i < n; i += 3) weights[i] = static_cast<double>(i % 2);  // some are zero
    weights.back() = 2;
    return weights;
  }

  std::vector<double> explain(const std::vector<double>& rows, int n_threads, std::int64_t n_rows_of_call,
                              const OutputTransform& transform = kProbability) const {
    const RowsView view = view_of(rows, forest.n_features());
    std::vector<double> values(rows.size(), 1e9);
    shap.explain(view, transform, {values.data(), view.n_rows, forest.n_features(), 1}, n_threads, {}, n_rows_of_call);
    return values;
  }
};

// Sums of the trees.
std::vector<double> outputs_of(const ForestArrays& forest, const std::vector<double>& rows) {
  return TransformedShap(forest.view(), view_of(rows, forest.n_features()), nullptr, 1).background_outputs();
}

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

TEST_CASE("tables of pairs equal the definition") {
  int n_by_tables = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto forest = shallow(seed, 3);
    const Pairs pairs(forest, 5);
    const auto rows = random_rows(forest, 4, seed);
    const std::size_t n = forest.n_features();
    const auto weights = Pairs::weights(5);
    double sum = 0;
    for (const double weight : weights) sum += weight;
    const std::vector<double> labels{0, 1, 1, 0};
    const OutputTransform loss{OutputTransform::Kind::kLogLoss, 0.5, 0.25, labels.data()};
    // (f(x) - label)^2 has a quotient that is exact: attributions of each pair, times f(x) + f(z) - 2 label.
    const OutputTransform square{OutputTransform::Kind::kSquaredLoss, 1, 0.25, labels.data()};
    CAPTURE(seed);
    n_by_tables += pairs.shap.turn(kManyRows) > 0;  // not where walks are as fast
    for (const auto& transform : {kProbability, loss, square}) {
      std::vector<double> expected(rows.size(), 0.0);
      for (std::size_t other = 0; other < weights.size(); ++other) {
        if (weights[other] == 0) continue;
        const std::vector<double> one(pairs.background.begin() + static_cast<std::ptrdiff_t>(other * n),
                                      pairs.background.begin() + static_cast<std::ptrdiff_t>((other + 1) * n));
        const auto of_pairs = naive_interventional(forest.view(), rows, one, {1});
        for (std::size_t row = 0; row < labels.size(); ++row) {
          const std::vector<double> own(rows.begin() + static_cast<std::ptrdiff_t>(row * n),
                                        rows.begin() + static_cast<std::ptrdiff_t>((row + 1) * n));
          const double margin = outputs_of(forest, own)[0] + 0.25, of_other = outputs_of(forest, one)[0] + 0.25;
          const double factor = rescaling(transform, margin, of_other, labels[row]) * weights[other] / sum;
          for (std::size_t i = 0; i < n; ++i) expected[row * n + i] += factor * of_pairs[row * n + i];
        }
      }
      CHECK(largest_difference(pairs.explain(rows, 1, kManyRows, transform), expected) <
            1e-12 * std::max(1.0, largest(expected)));
    }
  }
  CHECK(n_by_tables >= 5);
}

TEST_CASE("tables of pairs equal walks") {
  for (const std::int64_t n_background : {1, 2, 63, 64, 255, 257, 700}) {
    const auto forest = shallow(5);
    const auto rows = random_rows(forest, 70, 2);
    const Pairs pairs(forest, n_background);
    const auto walked = Pairs(forest, n_background, kNoPairTables).explain(rows, 1, kManyRows);
    CAPTURE(n_background);
    REQUIRE(pairs.shap.turn(kManyRows) > 0);
    REQUIRE(pairs.shap.turn(1) == 0);
    const std::vector<double> one(rows.begin(), rows.begin() + forest.n_features());
    CHECK(same_bits(pairs.explain(one, 1, 1), {walked.begin(), walked.begin() + forest.n_features()}));
    for (const int max_states : {8, 32, 256}) {
      const Pairs smaller(forest, n_background, {.max_states = max_states});  // some trees in part only
      CHECK(largest_difference(smaller.explain(rows, 1, kManyRows), walked) <= 1e-13 * largest(walked));
    }
  }
}

TEST_CASE("threads, and parts of a call, give the bits of the whole by tables of pairs") {
  const auto forest = shallow(6);
  const auto rows = random_rows(forest, 600, 3);
  const std::int64_t n = forest.n_features();
  const Pairs pairs(forest, 90, {}, 2);
  const auto whole = pairs.explain(rows, 1, kManyRows);
  for (const int n_threads : {2, 3, 8}) CHECK(same_bits(pairs.explain(rows, n_threads, kManyRows), whole));
  for (const std::int64_t n_rows : {1, 2, 31, 32, 33, 255, 257}) {
    CAPTURE(n_rows);
    const std::vector<double> part(rows.begin() + n, rows.begin() + (n_rows + 1) * n);
    CHECK(same_bits(pairs.explain(part, 3, kManyRows), {whole.begin() + n, whole.begin() + (n_rows + 1) * n}));
  }
}

TEST_CASE("more rows than a turn of a large background has") {
  const auto forest = shallow(7, 2);
  const Pairs pairs(forest, 6000);
  const std::int64_t turn = pairs.shap.turn(kManyRows);
  REQUIRE(turn > 0);
  REQUIRE(turn < 256);
  const auto rows = random_rows(forest, turn + 40, 4);
  const auto values = pairs.explain(rows, 2, kManyRows);
  CHECK(largest_difference(values, Pairs(forest, 6000, kNoPairTables).explain(rows, 1, 1)) <= 1e-13 * largest(values));
  const std::vector<double> last(rows.end() - forest.n_features(), rows.end());
  CHECK(same_bits(pairs.explain(last, 1, kManyRows), {values.end() - forest.n_features(), values.end()}));
}

TEST_CASE("a call is told from how many rows on tables of pairs are filled") {
  const auto forest = shallow(8);
  const Pairs pairs(forest, 100);
  std::int64_t least = 1;
  while (pairs.shap.turn(least) == 0) ++least;
  CHECK(least > 5);
  CHECK(least < 2000);
  CHECK(pairs.shap.turn(least) == pairs.shap.turn(kManyRows));
  CHECK(Pairs(forest, 100, kNoPairTables).shap.turn(kManyRows) == 0);
  CHECK(Pairs(forest, 100, {.max_states = 0}).shap.turn(kManyRows) == 0);
}

TEST_CASE("digests of values by tables of pairs", "[.][digest]") {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const auto forest = shallow(seed);
    const Pairs pairs(forest, 150);
    std::printf("digest of pairs of forest %d: %016llx\n", static_cast<int>(seed),
                static_cast<unsigned long long>(digest(pairs.explain(random_rows(forest, 50, 1), 1, kManyRows))));
  }
}

}  // namespace
}  // namespace fastexplain::testing
