#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "explain.h"
#include "fastexplain/tree/tree_shap.h"
#include "forests.h"
#include "naive_tree_shap.h"

namespace fastexplain::testing {
namespace {

// Times the sum of the trees' largest leaf values. float64: ten times the largest difference seen, roundings of either side;
// float32: some ten units in the last place.
constexpr double kTolerance = 2e-14;
constexpr double kFloat32Tolerance = 1e-6;

double scale(const ForestArrays& forest) { return forest.largest_leaf() * static_cast<double>(forest.view().n_trees); }

void check_against_naive(const ForestArrays& forest, const std::vector<double>& rows) {
  const auto expected = naive_tree_shap(forest.view(), rows);
  for (const int max_states : {0, 8, 256}) {  // by quadrature, by both, by tables where these fit
    CAPTURE(max_states);
    How how{LaneType::kFloat64, 1, kExact, {.max_states = max_states}};
    CHECK(largest_difference(explain(forest, rows, how), expected) <= kTolerance * scale(forest));
    how.lanes = LaneType::kFloat32;
    CHECK(largest_difference(explain(forest, rows, how), expected) <= kFloat32Tolerance * scale(forest));
  }
}

void check_random(const ForestShape& shape, std::int64_t n_rows = 70, int n_seeds = 4) {
  for (int seed = 1; seed <= n_seeds; ++seed) {
    CAPTURE(seed);
    const auto forest = random_forest(shape, seed);
    check_against_naive(forest, random_rows(forest, n_rows, 100 + seed));
  }
}

// A row's values sum to its raw output less the expected one.
void check_sums(const ForestArrays& forest, const std::vector<double>& rows, double tolerance) {
  const auto values = explain(forest, rows);
  const auto gain = naive_gain(forest.view(), rows);
  const std::int32_t n_features = forest.n_features(), n_outputs = forest.n_outputs();
  std::vector<double> sums(gain.size());
  for (std::size_t i = 0; i < values.size(); ++i) sums[i / (n_features * n_outputs) * n_outputs + i % n_outputs] += values[i];
  CHECK(largest_difference(sums, gain) <= tolerance * scale(forest));
}

// --- the definition

TEST_CASE("a worked example") {
  // v({}) = (2*1 + 1*4 + 1*8) / 4 = 3.5, v({0}) = 8 for a row that goes right at the root, v({1}) = (3*1 + 8) / 4 = 2.75 for
  // one that goes left at f1, v({0, 1}) = 8. phi_0 = (4.5 + 5.25) / 2, phi_1 = (-0.75 + 0) / 2.
  ForestArrays forest(2);
  forest.add_tree(split(0, 0, split(1, 0, leaf(1, 2), leaf(4, 1)), leaf(8, 1)));
  CHECK(largest_difference(explain(forest, {1, -1}), {4.875, -0.375}) < 1e-15);
}

TEST_CASE("values equal the enumeration of coalitions") { check_random({}); }

TEST_CASE("values equal the enumeration where features repeat on a path") {
  ForestShape shape;
  shape.n_features = 2;
  shape.max_depth = 7;
  check_random(shape);
}

TEST_CASE("values equal the enumeration for every number of points of one pass") {
  for (int n_features = 1; n_features <= 16; ++n_features) {
    CAPTURE(n_features);
    ForestArrays forest(n_features);
    forest.add_tree(chain(n_features + 3, n_features, n_features));
    check_against_naive(forest, random_rows(forest, n_features > 12 ? 3 : 20, 1));
  }
}

TEST_CASE("values equal the enumeration where a tree takes several passes") {
  for (const int n_features : {17, 18}) {
    CAPTURE(n_features);
    ForestArrays forest(n_features);
    forest.add_tree(chain(n_features + 4, n_features, 2));
    check_against_naive(forest, random_rows(forest, 2, 1));
  }
}

TEST_CASE("values equal the enumeration where nodes have no cover") {
  ForestShape shape;
  shape.zero_cover_chance = 0.4;
  check_random(shape);
  shape.zero_cover_chance = 1;
  check_random(shape, 70, 1);
  shape = {};
  shape.n_features = 2;
  shape.max_depth = 7;
  shape.zero_cover_chance = 0.4;
  check_random(shape);
}

TEST_CASE("values equal the enumeration for vector leaves") {
  ForestShape shape;
  shape.n_outputs = 3;
  shape.vector_leaves = true;
  check_random(shape);
}

TEST_CASE("values equal the enumeration where each tree serves one output") {
  ForestShape shape;
  shape.n_outputs = 3;
  shape.n_trees = 8;
  check_random(shape);
}

TEST_CASE("trees of one leaf attribute nothing") {
  ForestArrays forest(3, 2);
  forest.add_tree(leaf(5), 0).add_tree(leaf(7), 1);
  const std::vector<double> rows(3 * 5, 1.0);
  CHECK(explain(forest, rows) == std::vector<double>(3 * 5 * 2, 0.0));
  forest.add_tree(split(1, 0, leaf(1), leaf(2)), 1).add_tree(leaf(9), 1);
  check_against_naive(forest, rows);
}

TEST_CASE("a forest without trees attributes nothing") {
  const ForestArrays forest(4);
  CHECK(explain(forest, std::vector<double>(4 * 70, 1.0)) == std::vector<double>(4 * 70, 0.0));
}

TEST_CASE("a feature without a split gets exactly zero") {
  ForestArrays wide(5);
  wide.add_tree(split(1, 0, leaf(1), leaf(2))).add_tree(chain(10, 3, 1));
  const auto values = explain(wide, random_rows(wide, 20, 1));
  for (std::size_t row = 0; row < 20; ++row) {
    CHECK(values[row * 5 + 3] == 0);
    CHECK(values[row * 5 + 4] == 0);
  }
}

TEST_CASE("a chain of 2000 levels equals the enumeration") {
  ForestArrays forest(5);
  forest.add_tree(chain(2000, 5, 3));
  check_against_naive(forest, random_rows(forest, 10, 1));
}

TEST_CASE("a chain of 2000 levels and 40 features sums up") {
  ForestArrays forest(40);
  forest.add_tree(chain(2000, 40, 4));
  check_sums(forest, random_rows(forest, 66, 1), kTolerance);
}

// --- which way a value goes

TEST_CASE("a value on a threshold goes left") {
  ForestArrays forest(1);
  forest.add_tree(split(0, 0.1, leaf(0), leaf(2)));
  CHECK(explain(forest, {0.1, std::nextafter(0.1, 1), std::nextafter(0.1, 0)}) == std::vector<double>{-1, 1, -1});
}

TEST_CASE("a missing value goes the default way, left or right") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const bool default_left : {true, false}) {
    ForestArrays forest(1);
    forest.add_tree(split(0, 0, leaf(0), leaf(2), default_left));
    CHECK(explain(forest, {nan}) == std::vector<double>{default_left ? -1.0 : 1.0});
  }
}

TEST_CASE("infinities lie beyond every threshold, and are not missing") {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const bool default_left : {true, false}) {
    ForestArrays forest(1);
    forest.add_tree(split(0, 0, leaf(0), leaf(2), default_left));
    CHECK(explain(forest, {infinity, -infinity}) == std::vector<double>{1, -1});
  }
}

TEST_CASE("values equal the enumeration where zero is missing at some nodes") {
  ForestShape shape;
  shape.zero_missing_chance = 0.5;
  check_random(shape);
}

TEST_CASE("values equal the enumeration where a number means missing") {
  ForestShape shape;
  for (const double missing : {0.75, 0.0, -999.0}) {
    shape.missing_value = missing;
    check_random(shape, 70, 2);
  }
}

TEST_CASE("values equal the enumeration where rows are rounded to float32") {
  ForestShape shape;
  shape.float32_input = true;
  check_random(shape);
}

TEST_CASE("values equal the enumeration for categories") {
  ForestShape shape;
  shape.categorical_chance = 0.6;
  check_random(shape);
  shape.float32_input = true;
  shape.zero_missing_chance = 0.3;
  shape.missing_value = 3;
  check_random(shape);
}

TEST_CASE("values equal the enumeration where a tree has more than 64 categorical nodes") {
  ForestShape shape;
  shape.n_trees = 2;
  shape.max_depth = 8;
  shape.leaf_chance = 0.02;
  shape.categorical_chance = 0.8;
  check_random(shape, 70, 2);
}

// Stumps on feature 0 that widen its codes, and a tree that uses the other features too.
TEST_CASE("values equal the enumeration with wide codes for many thresholds") {
  ForestArrays forest(3);
  Random random(1);
  for (int i = 0; i < 33500; ++i)
    forest.add_tree(split(0, i * 0.25, leaf(random.uniform(), 1), leaf(random.uniform(), 1 + i % 3), i % 2 == 0));
  Node node = split(0, 4000, split(1, 0, leaf(1, 2), leaf(-50, 1), true), split(2, 0.1, leaf(90, 3), leaf(-70, 1)));
  forest.add_tree(node);
  std::vector<double> rows = random_rows(forest, 4, 1);
  rows.insert(rows.end(), {8124.75, 0, 0, 8125, 1, 1, 0, 0, 0, 4000, -1, 0.1, 1e9, 1, 1});
  check_against_naive(forest, rows);
}

TEST_CASE("values equal the enumeration with wide codes for many categories") {
  std::vector<std::int32_t> even, thirds;
  for (std::int32_t category = 0; category < 70000; ++category) {
    if (category % 2 == 0) even.push_back(category);
    if (category % 3 == 0) thirds.push_back(category);
  }
  ForestArrays forest(2);
  forest.add_tree(split_on_categories(0, even, split_on_categories(0, thirds, leaf(1, 2), leaf(2, 1), true), leaf(4, 3)));
  forest.add_tree(split(1, 0, split_on_categories(0, thirds, leaf(1, 2), leaf(8, 5)), leaf(3, 1), true));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  check_against_naive(forest, {0, 0,  32766, 1,  32767, 0,  32768, -1, 65534, 0, 69999, 0, 69998, 0, 1,   0,   3.,    0,
                               6, -1, 5.,    -1, 7,     -1, 1e9,   0,  70000, 0, -5,    0, nan,   0, nan, nan, 1e300, 0});
}

// --- shapes of tables

TEST_CASE("values equal the enumeration for any number of rows") {
  ForestShape shape;
  shape.n_trees = 3;
  shape.max_depth = 4;
  shape.n_outputs = 2;
  const auto forest = random_forest(shape, 11);
  for (const std::int64_t n_rows : {0, 1, 2, 63, 64, 65, 1000}) {
    CAPTURE(n_rows);
    check_against_naive(forest, random_rows(forest, n_rows, n_rows));
  }
}

// Rows of type X at any stride, in bytes: the same values as from a plain table of the same numbers.
template <class X>
void check_strides(std::int64_t row_stride, std::int64_t column_stride) {
  constexpr std::int64_t kRows = 67;
  const auto forest = random_forest({}, 12);
  auto plain = random_rows(forest, kRows, 12);
  for (auto& x : plain) x = static_cast<double>(static_cast<float>(x));
  const std::int64_t n_features = forest.n_features();
  const std::int64_t rows_extent = std::abs(row_stride) * (kRows - 1),
                     columns_extent = std::abs(column_stride) * (n_features - 1);
  std::vector<char> memory(rows_extent + columns_extent + sizeof(X));
  const char* first = memory.data() + (row_stride < 0 ? rows_extent : 0) + (column_stride < 0 ? columns_extent : 0);
  for (std::int64_t row = 0; row < kRows; ++row)
    for (std::int64_t column = 0; column < n_features; ++column) {
      const X x = static_cast<X>(plain[row * n_features + column]);
      std::memcpy(const_cast<char*>(first) + row * row_stride + column * column_stride, &x, sizeof(X));
    }
  const RowsView strided{first, kRows, row_stride, column_stride, sizeof(X) == sizeof(float)};
  const TreeShap shap(forest.view(), LaneType::kFloat64, 1);
  CAPTURE(sizeof(X), row_stride, column_stride);
  CHECK(explain(shap, forest, strided) == explain(forest, plain));
}

TEST_CASE("rows are read at any stride, aligned or not, forwards or backwards") {
  check_strides<double>(48, 8);
  check_strides<double>(8, 67 * 8);
  check_strides<double>(61, 9);
  check_strides<double>(-48, 8);
  check_strides<double>(48, -8);
  check_strides<float>(24, 4);
  check_strides<float>(4, 67 * 4);
  check_strides<float>(31, 5);
  check_strides<float>(-24, -4);
}

TEST_CASE("float32 rows are compared as they are, with and without float32_input") {
  for (const bool float32_input : {true, false}) {
    ForestArrays forest(1);
    forest.float32_input = float32_input;
    forest.add_tree(split(0, 0.1, leaf(0), leaf(2)));
    const float rows[] = {0.1f, 0.09f};  // 0.1f lies above 0.1
    const RowsView view{reinterpret_cast<const char*>(rows), 2, 4, 4, true};
    CHECK(explain(TreeShap(forest.view(), LaneType::kFloat64, 1), forest, view) == std::vector<double>{1, -1});
  }
}

TEST_CASE("columns beyond the model's are left alone") {
  const auto forest = random_forest({}, 13);
  const auto rows = random_rows(forest, 5, 1);
  const std::int64_t n_features = forest.n_features();
  std::vector<double> wide;
  for (std::int64_t row = 0; row < 5; ++row) {
    wide.insert(wide.end(), rows.begin() + row * n_features, rows.begin() + (row + 1) * n_features);
    wide.insert(wide.end(), 3, 1e9);
  }
  const RowsView view{reinterpret_cast<const char*>(wide.data()), 5, (n_features + 3) * 8, 8, false};
  CHECK(explain(TreeShap(forest.view(), LaneType::kFloat64, 1), forest, view) == explain(forest, rows));
}

// --- many points

TEST_CASE("values of 40 features sum up") {
  ForestArrays forest(40);
  for (int tree = 0; tree < 3; ++tree) forest.add_tree(chain(60, 40, tree));
  check_sums(forest, random_rows(forest, 100, 1), kTolerance);
}

TEST_CASE("eight points come close to the exact values of 40 features") {
  ForestArrays forest(40);
  for (int tree = 0; tree < 3; ++tree) forest.add_tree(chain(60, 40, tree));
  const auto rows = random_rows(forest, 100, 1);
  const double difference = largest_difference(explain(forest, rows, {LaneType::kFloat64, 1, 8}), explain(forest, rows));
  CHECK(difference <= 1e-7 * scale(forest));
  CHECK(difference > 0);  // eight were used
}

TEST_CASE("a cap at or above half the features changes nothing") {
  ForestArrays forest(12);
  forest.add_tree(chain(20, 12, 1));
  const auto rows = random_rows(forest, 10, 1);
  CHECK(explain(forest, rows, {LaneType::kFloat64, 1, 6}) == explain(forest, rows));
  CHECK(largest_difference(explain(forest, rows, {LaneType::kFloat64, 1, 5}), explain(forest, rows)) > 0);
}

// --- the object

TEST_CASE("a compiled forest keeps nothing of the caller's arrays") {
  ForestShape shape;
  shape.categorical_chance = 0.4;
  const auto forest = random_forest(shape, 14);
  auto copy = std::make_unique<ForestArrays>(forest);
  const TreeShap shap(copy->view(), LaneType::kFloat64, 1);
  copy.reset();
  const auto rows = random_rows(forest, 10, 1);
  CHECK(explain(shap, forest, view_of(rows, forest.n_features())) == explain(forest, rows));
}

TEST_CASE("a larger forest holds more memory") {
  ForestArrays one(3), two(3);
  one.add_tree(chain(10, 3, 1));
  two.add_tree(chain(10, 3, 1)).add_tree(chain(10, 3, 2));
  const std::size_t of_one = TreeShap(one.view(), LaneType::kFloat64, 1).memory();
  CHECK(of_one > 0);
  CHECK(TreeShap(two.view(), LaneType::kFloat64, 1).memory() > of_one);
}

TEST_CASE("a throwing InterruptCheck ends explain, which then works again") {
  ForestArrays forest(8);
  forest.add_tree(chain(2000, 8, 1));
  constexpr std::int64_t kRows = 20000;  // far more than kCheckEvery's 20 ms of work
  const std::vector<double> row = random_rows(forest, 1, 1);
  std::vector<double> values(kRows * 8);
  const TreeShap shap(forest.view(), LaneType::kFloat64, 1, kNoTables);  // by tables it would be over too soon
  for (const int n_threads : {1, 2}) {
    const RowsView rows{reinterpret_cast<const char*>(row.data()), kRows, 0, 8, false};
    const auto interrupt = [] { throw std::runtime_error("interrupted"); };
    CHECK_THROWS_WITH(shap.explain(rows, {values.data(), kRows, 8, 1}, kExact, n_threads, interrupt), "interrupted");
  }
  CHECK(explain(shap, forest, view_of(row, 8)) == explain(forest, row, {LaneType::kFloat64, 1, kExact, kNoTables}));
}

}  // namespace
}  // namespace fastexplain::testing
