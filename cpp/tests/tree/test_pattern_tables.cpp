// Groups of leaves, the states of rows in them, and values by tables.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "explain.h"
#include "forests.h"
#include "naive_tree_shap.h"
#include "tree/encoding.h"
#include "tree/pattern_plan.h"
#include "tree/pattern_tables.h"

namespace fastexplain::testing {
namespace {

constexpr double kTolerance = 2e-14;  // as in test_tree_shap.cpp

double scale(const ForestArrays& forest) { return forest.largest_leaf() * static_cast<double>(forest.view().n_trees); }

// The first tree's plan, all features in one chunk. The quadrature kernel counts as dear unless said otherwise.
TreePlan plan_of(const ForestArrays& forest, int max_states = kMaxStates, double row_lanes = 0.01) {
  const Encoding encoding(forest.view());
  const std::vector<std::int32_t> chunk(encoding.features.size(), 0);
  return TreePlanner(forest.view(), encoding, chunk, {max_states, row_lanes}).plan(0);
}

std::size_t n_leaves(const TreePlan& plan) { return plan.leaves.size(); }

void check_against_naive(const ForestArrays& forest, const std::vector<double>& rows) {
  const auto expected = naive_tree_shap(forest.view(), rows);
  for (const int max_states : {2, 3, 4, 16, 64, 255, 256}) {
    CAPTURE(max_states);
    const How how{LaneType::kFloat64, 1, kExact, {.max_states = max_states}};
    CHECK(largest_difference(explain(forest, rows, how), expected) <= kTolerance * scale(forest));
  }
}

// Rows of every combination of the given values.
std::vector<double> grid(const std::vector<std::vector<double>>& axes) {
  std::vector<double> rows;
  std::vector<std::size_t> at(axes.size(), 0);
  while (at[0] < axes[0].size()) {
    for (std::size_t i = 0; i < axes.size(); ++i) rows.push_back(axes[i][at[i]]);
    for (std::size_t i = axes.size(); i-- > 0;) {
      if (++at[i] < axes[i].size() || i == 0) break;
      at[i] = 0;
    }
  }
  return rows;
}

const double kMissing = std::numeric_limits<double>::quiet_NaN();

// --- the cut into groups

TEST_CASE("a small tree is one group, whose states are its intervals") {
  ForestArrays forest(3);
  forest.add_tree(split(0, 1, split(1, 5, leaf(1), leaf(2)), split(0, 3, leaf(3), leaf(4))));
  const TreePlan plan = plan_of(forest);
  CHECK(plan.whole);
  REQUIRE(plan.groups.size() == 1);
  // f0: up to 1, up to 3, above; f1: up to 5, above. Missing values go right everywhere: as the largest.
  CHECK(plan.groups[0].n_states == 6);
  CHECK(plan.groups[0].n_leaves == 4);
}

TEST_CASE("a missing value that goes another way than every interval is a state of its own") {
  ForestArrays forest(1);
  forest.add_tree(split(0, 1, leaf(1), split(0, 3, leaf(2), leaf(3), true), false));
  CHECK(plan_of(forest).groups.at(0).n_states == 3);  // between 1 and 3
  ForestArrays apart(1);
  apart.add_tree(split(0, 3, split(0, 1, leaf(1), leaf(2), true), leaf(3), false));
  CHECK(plan_of(apart).groups.at(0).n_states == 3);  // above 3: the inner split is never asked
  ForestArrays own(2);
  own.add_tree(split(1, 0, split(0, 1, leaf(1), leaf(2), true), split(0, 3, leaf(3), leaf(4), false)));
  CHECK(plan_of(own).groups.at(0).n_states == 2 * 4);  // left at 1 and right at 3: no number does that
}

TEST_CASE("values outside the path to a group share one state") {
  // Within (1, 3] of f0, f1 decides; the whole tree has more states than allowed.
  ForestArrays forest(3);
  forest.add_tree(
      split(0, 3, split(0, 1, split(2, 0, leaf(1), leaf(2)), split(1, 0, leaf(3), leaf(4))), split(2, 1, leaf(5), leaf(6))));
  const TreePlan plan = plan_of(forest, 4);
  CHECK(plan.whole);
  for (const auto& group : plan.groups) CHECK(group.n_states <= 4);
  CHECK(n_leaves(plan) == 6);
}

TEST_CASE("every leaf is in one group, or left to the quadrature kernel") {
  for (int seed = 1; seed <= 20; ++seed) {
    ForestShape shape;
    shape.n_trees = 1;
    shape.n_features = 12;
    shape.max_depth = 9;
    const auto forest = random_forest(shape, seed);
    const auto view = forest.view();
    std::size_t leaves = 0;
    for (std::int64_t node = 0; node < view.tree_offsets[1]; ++node) leaves += view.is_leaf(node);
    for (const int max_states : {2, 8, 64, 256}) {
      const TreePlan plan = plan_of(forest, max_states);
      std::vector<bool> seen(view.tree_offsets[1], false);
      for (const auto& leaf : plan.leaves) {
        CHECK_FALSE(seen[leaf.node]);
        seen[leaf.node] = true;
      }
      if (plan.whole) CHECK(n_leaves(plan) == leaves);
      if (!plan.whole && !plan.empty()) CHECK_FALSE(plan.cut_off.empty());
      for (const auto& group : plan.groups) CHECK(group.n_states <= static_cast<std::uint32_t>(max_states));
    }
  }
}

TEST_CASE("a leaf of nine features is left to the quadrature kernel, its sisters go by tables") {
  ForestArrays forest(9);
  forest.add_tree(chain(9, 9, 1));
  const TreePlan plan = plan_of(forest);
  CHECK_FALSE(plan.whole);
  CHECK(plan.leaves.empty() == plan.cut_off.empty());
  check_against_naive(forest, random_rows(forest, 200, 1));
}

// --- values

TEST_CASE("tables equal the enumeration at every limit of states") {
  ForestShape shape;
  shape.n_features = 5;
  shape.n_trees = 4;
  shape.zero_cover_chance = 0.1;
  for (int seed = 1; seed <= 5; ++seed) {
    const auto forest = random_forest(shape, seed);
    check_against_naive(forest, random_rows(forest, 80, seed));
  }
}

TEST_CASE("both bounds of a feature on the path, and cuts between them") {
  ForestArrays forest(2);
  forest.add_tree(split(0, 10,
                        split(0, 0, leaf(1, 3),
                              split(0, 5, split(1, 0, split(0, 2, leaf(2, 1), leaf(3, 4)), leaf(4, 2)),
                                    split(0, 7, leaf(5, 2), leaf(6, 5)), true)),
                        leaf(7, 2)));
  check_against_naive(forest, grid({{-1, 0, 1, 2, 3, 5, 6, 7, 8, 10, 11, kMissing}, {-1, 0, 1, kMissing}}));
}

TEST_CASE("columns of 254, 255 and 256 cuts") {
  for (const int n_cuts : {253, 254, 255, 256, 300}) {
    CAPTURE(n_cuts);
    ForestArrays forest(2);
    for (int i = 0; i < n_cuts; ++i)
      forest.add_tree(split(1, 0.5, split(0, i, leaf(i % 7, 1 + i % 3), leaf(1, 2), i % 2 == 0), leaf(2, 3)));
    check_against_naive(forest,
                        grid({{-1, 0, 0.5, 100, 252, 252.5, 253, 253.5, 254, 254.5, 255, 256, 1000, kMissing}, {0, 1}}));
  }
}

TEST_CASE("a tree with more intervals of one feature than states") {
  ForestArrays forest(1);
  Node tree = leaf(0);
  for (int i = 0; i < 300; ++i) tree = split(0, 300 - i, std::move(tree), leaf(i % 5, 1 + i % 4));
  forest.add_tree(tree);
  std::vector<double> rows{kMissing};
  for (int i = 0; i < 302; ++i) rows.push_back(i);
  check_against_naive(forest, rows);
}

TEST_CASE("categories: scattered sets, many codes, codes that do not fit a byte") {
  for (const int n_categories : {3, 20, 100, 253, 254, 255, 400}) {
    CAPTURE(n_categories);
    ForestArrays forest(2);
    for (int t = 0; t < 5; ++t) {
      std::vector<std::int32_t> first, second;
      for (std::int32_t category = 0; category < n_categories; ++category) {
        if ((category * 7 + t) % 3 == 0) first.push_back(category);
        if ((category * 5 + t) % 4 == 0) second.push_back(category);
      }
      if (second.empty()) second.push_back(0);
      forest.add_tree(split_on_categories(0, first, split_on_categories(0, second, leaf(1, 2), leaf(3, 1), true),
                                          split(1, 0, leaf(4, 1), split_on_categories(0, second, leaf(5, 2), leaf(6, 3))),
                                          t % 2 == 0));
    }
    std::vector<double> codes{-1, kMissing, 1e9};
    for (int i = 0; i <= n_categories; ++i) codes.push_back(i);
    check_against_naive(forest, grid({codes, {-1, 1}}));
  }
}

TEST_CASE("what all leaves have in common does not cost float32 lanes their digits") {
  ForestArrays forest(2), shifted(2);
  forest.add_tree(split(0, 0, split(1, 0, leaf(1, 2), leaf(2)), leaf(3)));
  shifted.add_tree(split(0, 0, split(1, 0, leaf(100'001, 2), leaf(100'002)), leaf(100'003)));
  const std::vector<double> rows{-1, -1, 1, -1, -1, 1};
  for (const int max_states : {0, 2, 16, 256}) {
    const How how{LaneType::kFloat32, 1, kExact, {.max_states = max_states}};
    CAPTURE(max_states);
    CHECK(largest_difference(explain(forest, rows, how), explain(shifted, rows, how)) < 1e-6);
  }
}

TEST_CASE("an entry of many chunks: more features than a vector, several outputs") {
  for (const bool vector_leaves : {false, true}) {
    ForestShape shape;
    shape.n_features = 70;
    shape.n_outputs = 3;
    shape.vector_leaves = vector_leaves;
    shape.n_trees = 30;
    shape.max_depth = 4;
    const auto forest = random_forest(shape, 5);
    const auto rows = random_rows(forest, 300, 1);
    for (const auto lanes : {LaneType::kFloat32, LaneType::kFloat64}) {
      const auto by_quadrature = explain(forest, rows, {lanes, 1, kExact, kNoTables});
      const auto by_tables = explain(forest, rows, {lanes, 2});
      CHECK(largest_difference(by_tables, by_quadrature) <= (lanes == LaneType::kFloat64 ? kTolerance : 1e-6) * scale(forest));
      const std::vector<double> first(by_tables.begin(), by_tables.begin() + 2 * 70 * 3);
      CHECK(explain(forest, {rows.begin(), rows.begin() + 2 * 70}, {lanes}) == first);
    }
  }
}

TEST_CASE("tables take no more memory than they may") {
  ForestShape shape;
  shape.n_trees = 200;
  const auto forest = random_forest(shape, 7);
  const auto rows = random_rows(forest, 70, 1);
  const TreeShap none(forest.view(), LaneType::kFloat64, 1, {.table_bytes = 0});
  const auto expected = explain(forest, rows, {LaneType::kFloat64, 1, kExact, kNoTables});
  CHECK(explain(none, forest, view_of(rows, forest.n_features())) == expected);
  std::size_t before = none.memory();
  for (const std::size_t limit : {20'000, 100'000, 400'000}) {
    const TreeShap some(forest.view(), LaneType::kFloat64, 1, {.table_bytes = limit});
    CAPTURE(limit);
    CHECK(some.memory() > before);
    // Half as much again for what large calls fill tables from, its steps, and trees that go another way in large calls.
    CHECK(some.memory() < 2 * none.memory() + 2 * limit);
    CHECK(largest_difference(explain(some, forest, view_of(rows, forest.n_features())), expected) <=
          kTolerance * scale(forest));
    before = some.memory();
  }
}

TEST_CASE("a plan tells what its tables take, steps and look-ups included") {
  ForestArrays forest(2);
  std::vector<std::int32_t> odd;
  for (std::int32_t category = 1; category < 100; category += 2) odd.push_back(category);
  forest.add_tree(split_on_categories(0, odd, leaf(1, 2), split(1, 3, leaf(2), leaf(3, 2))));
  forest.add_tree(split_on_categories(0, {99}, leaf(1, 2), split(1, 3, leaf(2), leaf(3, 2))));
  const ForestView view = forest.view();
  const Encoding encoding(view);
  const SumLayout layout{{0, 1}, 1};
  const std::vector<std::int32_t> chunk{0, 0};
  TreePlanner planner(view, encoding, chunk, {kMaxStates, 0.01});
  for (const std::int64_t tree : {0, 1}) {
    CAPTURE(tree);
    const TreePlan plan = planner.plan(tree);
    REQUIRE(plan.whole);
    PatternTables<double> tables({plan}, encoding, layout);
    tables.keep(1);
    CHECK(tables.memory() <= plan.bytes + 64);  // and the segment
    CHECK(tables.memory() + 64 > plan.bytes);
  }
}

TEST_CASE("a forest that is planned in several batches") {
  ForestShape shape;
  shape.n_trees = 36;  // of 16,383 nodes
  shape.n_features = 12;
  shape.max_depth = 13;
  shape.leaf_chance = 0;
  auto forest = random_forest(shape, 3);
  for (int i = 0; i < 4; ++i) forest.add_tree(split(i, 0, split(i + 1, 1, leaf(1, 2), leaf(2)), leaf(3)));
  const auto rows = random_rows(forest, 5, 1);
  const auto expected = explain(forest, rows, {LaneType::kFloat64, 1, kExact, kNoTables});
  for (const std::size_t limit : {2'000, 1 << 20, 1 << 26}) {
    CAPTURE(limit);
    const auto values = explain(forest, rows, {LaneType::kFloat64, 1, kExact, {.table_bytes = limit}});
    CHECK(largest_difference(values, expected) <= kTolerance * scale(forest));
    CHECK(explain(forest, rows, {LaneType::kFloat64, 3, kExact, {.table_bytes = limit}}) == values);
  }
}

TEST_CASE("leaves whose difference to their mean overflows: what is representable is right") {
  constexpr double kHuge = 1.7e308;
  ForestArrays forest(2);
  forest.add_tree(split(0, 0, leaf(-kHuge, 1), split(1, 0, leaf(kHuge, 600), leaf(kHuge, 400))));
  const auto values = explain(forest, {1, -1, 1, 1});
  for (const std::size_t row : {0, 1}) {
    CHECK(values[row * 2] == Approx(kHuge / 1001 * 2).epsilon(1e-9));
    CHECK(std::abs(values[row * 2 + 1]) <= kHuge * 1e-15);
  }
}

TEST_CASE("any number of rows has the same bits") {
  ForestShape shape;
  shape.n_trees = 150;  // more groups than are summed at a time
  shape.categorical_chance = 0.2;
  const auto forest = random_forest(shape, 9);
  const auto rows = random_rows(forest, 10'001, 1);
  const std::int32_t n_features = forest.n_features();
  for (const auto lanes : {LaneType::kFloat32, LaneType::kFloat64}) {
    const TreeShap shap(forest.view(), lanes, 1);
    const auto all = explain(shap, forest, view_of(rows, n_features), {lanes, 2});
    for (const std::int64_t n_rows : {1, 2, 3, 4, 63, 64, 65, 255, 256, 257, 5000}) {
      CAPTURE(n_rows);
      const std::vector<double> some(rows.begin(), rows.begin() + n_rows * n_features);
      const std::vector<double> expected(all.begin(), all.begin() + n_rows * n_features);
      for (const int n_threads : {1, 3})
        CHECK(explain(shap, forest, view_of(some, n_features), {lanes, n_threads}) == expected);
    }
  }
}

}  // namespace
}  // namespace fastexplain::testing
