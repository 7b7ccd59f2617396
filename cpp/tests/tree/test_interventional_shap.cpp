// Values against a background: equal to the definition, and the same bits however they are computed.
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
#include "tree/background_walk.h"
#include "tree/output_transform.h"

namespace fastexplain::testing {
namespace {

ForestShape everything() {
  ForestShape shape;
  shape.n_trees = 8;
  shape.n_outputs = 2;
  shape.categorical_chance = 0.3;
  shape.zero_missing_chance = 0.2;
  return shape;
}

std::vector<double> weights_of(std::size_t n) {
  std::vector<double> weights;
  for (std::size_t i = 0; i < n; ++i) weights.push_back(static_cast<double>(i % 4));  // every fourth is zero
  weights.back() = 2;
  return weights;
}

struct Against {
  int n_threads = 1;
  std::size_t kept_bytes = 64u << 20;
};

std::vector<double> explain_against(const ForestArrays& forest, const std::vector<double>& rows,
                                    const std::vector<double>& background, const std::vector<double>& weights,
                                    Against how = {}) {
  const InterventionalShap shap(forest.view(), view_of(background, forest.n_features()), weights.data(), how.n_threads,
                                {.kept_bytes = how.kept_bytes});
  const RowsView view = view_of(rows, forest.n_features());
  std::vector<double> values(view.n_rows * forest.n_features() * forest.n_outputs(), 1e9);
  shap.explain(view, {values.data(), view.n_rows, forest.n_features(), forest.n_outputs()}, how.n_threads);
  return values;
}

// Forests of which features have places of their own, in all trees or in each, or on the path only; with long paths, too.
std::vector<std::pair<std::string, ForestArrays>> samples() {
  std::vector<std::pair<std::string, ForestArrays>> samples;
  samples.emplace_back("mixed", random_forest(everything(), 1));
  ForestShape vectors = everything();
  vectors.vector_leaves = true;
  vectors.float32_input = true;
  vectors.missing_value = 0.75;
  samples.emplace_back("vector leaves", random_forest(vectors, 2));
  for (const std::int32_t n_features : {1, 8, 9, 16, 17, 30, 70, 300}) {
    ForestShape wide;
    wide.n_features = n_features;
    wide.max_depth = 8;
    wide.n_trees = 3;
    ForestArrays forest = random_forest(wide, n_features);
    forest.add_tree(chain(2 * n_features, n_features, n_features));
    samples.emplace_back(std::to_string(n_features) + " features", std::move(forest));
  }
  return samples;
}

TEST_CASE("values against a background equal the definition") {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    ForestShape shape = everything();
    shape.vector_leaves = seed % 2 == 1;
    shape.n_features = 3 + static_cast<std::int32_t>(seed % 5);
    shape.n_trees = 3;
    const auto forest = random_forest(shape, seed);
    const auto rows = random_rows(forest, 4, seed), background = random_rows(forest, 6, seed + 100);
    const auto weights = weights_of(6);
    CAPTURE(seed);
    CHECK(largest_difference(explain_against(forest, rows, background, weights),
                             naive_interventional(forest.view(), rows, background, weights)) < 1e-12);
  }
}

TEST_CASE("a mean over the background is the mean of its parts") {
  constexpr std::size_t kRows = 130, kPartRows = 13;
  for (const auto& [name, forest] : samples()) {
    const auto rows = random_rows(forest, 3, 1), background = random_rows(forest, kRows, 2);
    std::vector<double> mean(rows.size() * forest.n_outputs(), 0.0);
    for (std::size_t first = 0; first < kRows; first += kPartRows) {
      const auto at = background.begin() + static_cast<std::ptrdiff_t>(first) * forest.n_features();
      const auto part =
          explain_against(forest, rows, {at, at + kPartRows * forest.n_features()}, std::vector<double>(kPartRows, 1.0));
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += part[i] * kPartRows / kRows;
    }
    CAPTURE(name);
    CHECK(largest_difference(explain_against(forest, rows, background, std::vector<double>(kRows, 1.0)), mean) < 1e-12);
  }
}

TEST_CASE("threads, and ways that are not kept, give the same bits") {
  const auto forest = random_forest(everything(), 3);
  const auto rows = random_rows(forest, 150, 1), background = random_rows(forest, 300, 2);
  const auto weights = weights_of(300);
  const auto expected = explain_against(forest, rows, background, weights);
  for (const int n_threads : {1, 2, 3, 8})
    for (const std::size_t kept_bytes : {std::size_t{0}, std::size_t{4000}, std::size_t{1} << 26}) {
      CAPTURE(n_threads, kept_bytes);
      CHECK(same_bits(explain_against(forest, rows, background, weights, {n_threads, kept_bytes}), expected));
    }
  const std::vector<double> alone(rows.begin(), rows.begin() + forest.n_features());
  const auto of_row = explain_against(forest, alone, background, weights, {3});
  CHECK(same_bits(of_row, {expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(of_row.size())}));
}

TEST_CASE("subtrees that are cut off have the value zero") {
  Node cut = split(0, 0.5, leaf(0.0), leaf(0.0)), whole = split(0, 0.5, leaf(3.0, 2), leaf(-1.0, 2));
  cut.cover = whole.cover;
  ForestArrays with(2), without(2);
  with.add_tree(split(1, 0.0, split(0, 1.0, leaf(2.0), leaf(-2.0)), whole));
  // The cut subtree counts as a leaf of the tree's expectation, which is what leaf values are taken less.
  const double mean = expectation(with.view(), 0)[0];
  without.add_tree(split(1, 0.0, split(0, 1.0, leaf(2.0), leaf(-2.0)), leaf(mean, 4)));
  const std::vector<double> rows{0.2, 1.0, 2.0, -1.0}, background{1.5, -0.5, 0.0, 0.5}, weights{1, 1};
  const auto encoding = std::make_shared<const Encoding>(with.view());
  const auto encoded = std::make_shared<const EncodedBackground>(*encoding, view_of(background, 2), weights.data());
  std::int64_t root_of_cut = -1;
  for (std::int64_t node = 1; node < with.view().tree_offsets[1]; ++node)
    if (!with.view().is_leaf(node) && with.view().threshold[node] == 0.5) root_of_cut = node;
  const BackgroundWalk walk(with.view(), encoding, {{0, {root_of_cut}}}, encoded, kFewPlaces, 1 << 20, 1);
  std::vector<double> values(4, 0.0);
  walk.explain(view_of(rows, 2), {values.data(), 2, 2, 1}, 1, {});
  CHECK(largest_difference(values, explain_against(without, rows, background, weights)) < 1e-12);
}

TEST_CASE("rescaling is the quotient of differences, and the slope where there is none") {
  using Kind = OutputTransform::Kind;
  const auto logistic = [](double t) { return 1 / (1 + std::exp(-t)); };
  for (const double a : {-5.0, -2.0, 0.0, 0.7, 3.0})
    for (const double b : {-3.0, 0.5, 1.0, 4.0}) {
      CAPTURE(a, b);
      const double p = (logistic(2 * a) - logistic(2 * b)) / (a - b);
      const double loss = (std::log1p(std::exp(2 * a)) - std::log1p(std::exp(2 * b))) / (a - b) - 2;
      CHECK(rescaling({Kind::kProbability, 2, 0, nullptr}, a, b, 0) == Approx(p).epsilon(1e-10));
      CHECK(rescaling({Kind::kLogLoss, 2, 0, nullptr}, a, b, 1) == Approx(loss).epsilon(1e-10));
      CHECK(rescaling({Kind::kSquaredLoss, 1, 0, nullptr}, a, b, 3) == Approx(a + b - 6));
    }
  CHECK(rescaling({Kind::kProbability, 2, 0, nullptr}, 0.3, 0.3, 0) == Approx(2 * logistic(0.6) * logistic(-0.6)));
  CHECK(rescaling({Kind::kLogLoss, 2, 0, nullptr}, 0.3, 0.3, 1) == Approx(2 * (logistic(0.6) - 1)));
  CHECK(rescaling({Kind::kLogLoss, 1, 0, nullptr}, 800, -800, 0) == Approx(0.5));
}

TEST_CASE("digests of values against a background", "[.][digest]") {
  for (const auto& [name, forest] : samples()) {
    const auto rows = random_rows(forest, 20, 1), background = random_rows(forest, 150, 2);
    const auto weights = weights_of(150);
    std::printf("digest of %s against a background: %016llx\n", name.c_str(),
                static_cast<unsigned long long>(digest(explain_against(forest, rows, background, weights))));
    if (forest.n_outputs() > 1) continue;
    const TransformedShap shap(forest.view(), view_of(background, forest.n_features()), weights.data(), 1);
    std::vector<double> values(rows.size());
    shap.explain(view_of(rows, forest.n_features()), {OutputTransform::Kind::kProbability, 1, 0.5, nullptr},
                 {values.data(), 20, forest.n_features(), 1}, 1);
    std::printf("digest of %s, probability: %016llx\n", name.c_str(), static_cast<unsigned long long>(digest(values)));
  }
}

}  // namespace
}  // namespace fastexplain::testing
