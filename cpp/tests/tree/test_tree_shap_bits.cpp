// The same bits whatever the number of threads, the other rows, or the instruction set.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bits.h"
#include "explain.h"
#include "forests.h"

namespace fastexplain::testing {
namespace {

constexpr LaneType kLaneTypes[] = {LaneType::kFloat32, LaneType::kFloat64};

ForestShape everything() {
  ForestShape shape;
  shape.n_trees = 20;
  shape.n_outputs = 2;
  shape.categorical_chance = 0.3;
  shape.zero_missing_chance = 0.2;
  shape.zero_cover_chance = 0.1;
  return shape;
}

// Forests that between them reach every step, every number of points and both widths of codes.
std::vector<std::pair<std::string, ForestArrays>> samples() {
  std::vector<std::pair<std::string, ForestArrays>> samples;
  samples.emplace_back("mixed forest", random_forest(everything(), 1));
  ForestShape vectors = everything();
  vectors.vector_leaves = true;
  vectors.float32_input = true;
  vectors.missing_value = 0.75;
  samples.emplace_back("vector leaves", random_forest(vectors, 2));
  for (int n_features = 1; n_features <= 20; ++n_features) {
    ForestShape deep;
    deep.n_features = n_features;
    deep.max_depth = 9;
    deep.n_trees = 3;
    ForestArrays forest = random_forest(deep, n_features);
    forest.add_tree(chain(3 * n_features, n_features, n_features));
    samples.emplace_back(std::to_string(n_features) + " features", std::move(forest));
  }
  ForestArrays wide(3);
  for (int i = 0; i < 32500; ++i) wide.add_tree(split(0, i * 0.001 - 3, leaf(i % 7, 1 + i % 5), leaf(1), i % 2 == 0));
  wide.add_tree(chain(30, 3, 1));
  std::vector<std::int32_t> even;
  for (std::int32_t category = 0; category < 200; category += 2) even.push_back(category);
  wide.add_tree(split_on_categories(1, even, leaf(1), split_on_categories(2, {1, 2}, leaf(2), leaf(3))));
  samples.emplace_back("wide codes", std::move(wide));
  return samples;
}

TEST_CASE("any number of threads gives the same bits") {
  const auto forest = random_forest(everything(), 21);
  for (const auto lanes : kLaneTypes) {
    for (const std::int64_t n_rows : {1, 65, 200, 3000}) {
      const auto rows = random_rows(forest, n_rows, 1);
      for (const int max_states : {0, 8, 256}) {
        const TreeShapOptions options{.max_states = max_states};
        const auto one = explain(forest, rows, {lanes, 1, kExact, options});
        for (const int n_threads : {2, 3, 8}) {
          CAPTURE(n_rows, n_threads, max_states);
          CHECK(same_bits(explain(forest, rows, {lanes, n_threads, kExact, options}), one));
        }
      }
    }
  }
}

TEST_CASE("a row alone has the same bits as inside a table") {
  const auto forest = random_forest(everything(), 22);
  constexpr std::int64_t kRows = 130;
  const auto rows = random_rows(forest, kRows, 1);
  const std::int64_t n_features = forest.n_features(), of_row = n_features * forest.n_outputs();
  for (const auto lanes : kLaneTypes) {
    for (const int max_states : {0, 8, 256}) {
      const TreeShap shap(forest.view(), lanes, 1, {.max_states = max_states});
      const auto all = explain(shap, forest, view_of(rows, forest.n_features()));
      for (std::int64_t row = 0; row < kRows; ++row) {
        const std::vector<double> alone(rows.begin() + row * n_features, rows.begin() + (row + 1) * n_features);
        const std::vector<double> expected(all.begin() + row * of_row, all.begin() + (row + 1) * of_row);
        CAPTURE(row, max_states);
        CHECK(same_bits(explain(shap, forest, view_of(alone, forest.n_features())), expected));
      }
    }
  }
}

TEST_CASE("rows in another order have the same bits") {
  const auto forest = random_forest(everything(), 23);
  const std::int64_t n_features = forest.n_features(), of_row = n_features * forest.n_outputs(), n_rows = 150;
  const auto rows = random_rows(forest, n_rows, 1);
  auto expected = explain(forest, rows);
  const RowsView backwards{reinterpret_cast<const char*>(rows.data() + (n_rows - 1) * n_features), n_rows, -n_features * 8, 8,
                           false};
  const auto values = explain(TreeShap(forest.view(), LaneType::kFloat64, 1), forest, backwards);
  for (std::int64_t row = 0; row < n_rows; ++row)
    CHECK(std::equal(values.begin() + row * of_row, values.begin() + (row + 1) * of_row,
                     expected.begin() + (n_rows - 1 - row) * of_row));
}

TEST_CASE("several threads may explain with one compiled forest") {
  const auto forest = random_forest(everything(), 24);
  const auto rows = random_rows(forest, 300, 1);
  const TreeShap shap(forest.view(), LaneType::kFloat64, 2);
  const auto expected = explain(forest, rows);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 5; ++round)
        if (!same_bits(explain(shap, forest, view_of(rows, forest.n_features()), {LaneType::kFloat64, 3}), expected)) ++wrong;
    });
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
}

// Printed for compare_digests.cmake, which runs this under one instruction set after the other.
TEST_CASE("digests of values", "[.][digest]") {
  for (const auto& [name, forest] : samples()) {
    const auto rows = random_rows(forest, 100, 1);
    for (const auto lanes : kLaneTypes) {
      for (const int max_states : {0, 8, 256}) {
        const auto values = explain(forest, rows, {lanes, 1, kExact, {.max_states = max_states}});
        CHECK(std::any_of(values.begin(), values.end(), [](double value) { return value != 0; }));
        std::printf("digest of %s, %s, %d states: %016llx\n", name.c_str(), lanes == LaneType::kFloat32 ? "float32" : "float64",
                    max_states, static_cast<unsigned long long>(digest(values)));
      }
    }
  }
}

}  // namespace
}  // namespace fastexplain::testing
