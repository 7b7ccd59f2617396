// Tables that there is no room for: a call with rows enough fills them for itself.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "explain.h"
#include "forests.h"

namespace fastexplain::testing {
namespace {

constexpr std::int64_t kManyRows = 1 << 20;

ForestArrays shallow(std::int32_t n_outputs, bool vector_leaves) {
  ForestShape shape;
  shape.n_trees = 40;
  shape.n_features = 10;
  shape.n_outputs = n_outputs;
  shape.vector_leaves = vector_leaves;
  shape.max_depth = 4;
  shape.categorical_chance = 0.1;
  shape.zero_cover_chance = 0.1;
  return random_forest(shape, 11);
}

// Room for the tables of a few trees, and for what the others' are filled from.
constexpr TreeShapOptions kLittleRoom{.table_bytes = 120'000};

double tolerance(LaneType lanes) { return lanes == LaneType::kFloat64 ? 1e-13 : 1e-6; }

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

TEST_CASE("tables that a call fills equal the quadrature kernel") {
  for (const bool vector_leaves : {false, true}) {
    for (const std::int32_t n_outputs : {1, 3}) {
      const auto forest = shallow(n_outputs, vector_leaves);
      const auto rows = random_rows(forest, 600, 2);
      for (const auto lanes : {LaneType::kFloat32, LaneType::kFloat64}) {
        CAPTURE(vector_leaves, n_outputs, lanes == LaneType::kFloat32);
        const TreeShap shap(forest.view(), lanes, 1, kLittleRoom);
        REQUIRE(shap.turn(kManyRows) > 0);
        CHECK(shap.turn(10) == 0);
        const auto expected = explain(forest, rows, {lanes, 1, kExact, kNoTables});
        const auto values = explain_part(shap, forest, view_of(rows, forest.n_features()), 1, kManyRows);
        CHECK(largest_difference(values, expected) <= tolerance(lanes) * largest(expected));
        const auto few = explain(shap, forest, view_of(rows, forest.n_features()), {lanes});
        CHECK(largest_difference(few, values) <= tolerance(lanes) * largest(expected));
        CHECK(few != values);  // other tables, other rounding
      }
    }
  }
}

TEST_CASE("parts of a call, and any number of threads, give the bits of the whole") {
  const auto forest = shallow(2, false);
  const auto rows = random_rows(forest, 3000, 3);
  const std::int32_t n_features = forest.n_features();
  for (const auto lanes : {LaneType::kFloat32, LaneType::kFloat64}) {
    const TreeShap shap(forest.view(), lanes, 2, kLittleRoom);
    const auto whole = explain_part(shap, forest, view_of(rows, n_features), 1, kManyRows);
    for (const int n_threads : {2, 3, 8})
      CHECK(explain_part(shap, forest, view_of(rows, n_features), n_threads, kManyRows) == whole);
    for (const std::int64_t n_rows : {1, 2, 64, 255, 257, 2999}) {
      CAPTURE(n_rows);
      const std::vector<double> some(rows.begin(), rows.begin() + n_rows * n_features);
      const std::vector<double> expected(whole.begin(), whole.begin() + n_rows * n_features * 2);
      CHECK(explain_part(shap, forest, view_of(some, n_features), 3, kManyRows) == expected);
    }
  }
}

TEST_CASE("more rows than a turn has") {
  const auto forest = shallow(1, false);
  const TreeShap shap(forest.view(), LaneType::kFloat64, 1, kLittleRoom);
  const std::int64_t turn = shap.turn(kManyRows);
  auto rows = random_rows(forest, 300, 4);
  const auto expected = explain_part(shap, forest, view_of(rows, forest.n_features()), 1, kManyRows);
  // The same rows again and again, by a stride of zero where they are all one row.
  const RowsView one{reinterpret_cast<const char*>(rows.data()), turn + 5, 0, sizeof(double), false};
  const auto values = explain_part(shap, forest, one, 2, 0);
  const std::size_t n = forest.n_features();
  for (const std::int64_t row : {std::int64_t{0}, turn - 1, turn, turn + 4})
    for (std::size_t i = 0; i < n; ++i) CHECK(values[row * n + i] == expected[i]);
}

TEST_CASE("a call is told from how many rows on tables are filled") {
  const auto forest = shallow(1, false);
  const TreeShap shap(forest.view(), LaneType::kFloat64, 1, kLittleRoom);
  std::int64_t least = 1;
  while (shap.turn(least) == 0) ++least;
  CHECK(least > 100);
  CHECK(shap.turn(least) == shap.turn(kManyRows));
  CHECK(TreeShap(forest.view(), LaneType::kFloat64, 1).turn(kManyRows) == 0);  // all are kept
  CHECK(TreeShap(forest.view(), LaneType::kFloat64, 1, kNoTables).turn(kManyRows) == 0);
}

TEST_CASE("what tables are filled from takes half of what tables may take") {
  const auto forest = shallow(1, false);
  const TreeShap none(forest.view(), LaneType::kFloat64, 1, kNoTables);
  for (const std::size_t limit : {20'000, 60'000, 200'000}) {
    CAPTURE(limit);
    const TreeShap some(forest.view(), LaneType::kFloat64, 1, {.table_bytes = limit});
    CHECK(some.memory() < 2 * none.memory() + limit + limit / 2 + limit / 2);  // and the steps of those tables
  }
}

}  // namespace
}  // namespace fastexplain::testing
