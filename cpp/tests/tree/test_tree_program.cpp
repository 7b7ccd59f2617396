#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "forests.h"
#include "tree/tree_program.h"

namespace fastexplain {
namespace {

using testing::chain;
using testing::ForestArrays;
using testing::leaf;
using testing::Node;
using testing::random_forest;
using testing::split;
using testing::split_on_categories;

ForestProgram<double> compile(const ForestArrays& forest, int n_threads = 1) {
  return compile_forest<double>(forest.view(), n_threads);
}

TreeProgram<double> compile_tree(const Node& root, std::int32_t n_features = 6) {
  return compile(ForestArrays(n_features).add_tree(root)).trees.at(0);
}

Node stump(std::int32_t feature, double threshold = 0) { return split(feature, threshold, leaf(1), leaf(2)); }

bool flips(const Decision& decision) { return (decision.column & Decision::kFlip) != 0; }

void check_op(const Op& op, Step step, std::uint32_t side, std::uint32_t level, std::uint32_t node) {
  CHECK(static_cast<Step>(op.step) == step);  // bit fields cannot be referred to
  CHECK(static_cast<std::uint32_t>(op.side) == side);
  CHECK(static_cast<std::uint32_t>(op.level) == level);
  CHECK(op.node == node);
}

TEST_CASE("a stump compiles to one step") {
  const auto tree = compile_tree(split(3, 0.5, leaf(10, 3), leaf(20, 1)));
  REQUIRE(tree.ops.size() == 1);
  check_op(tree.ops[0], Step::kLeafLeaf, 0, 1, 0);
  REQUIRE(tree.decisions.size() == 1);
  CHECK_FALSE(flips(tree.decisions[0]));
  CHECK(tree.decisions[0].ancestor == -1);
  CHECK(tree.decisions[0].bound == 0);
  CHECK(tree.constants[0].share == 0.75);
  CHECK(tree.constants[0].accumulated == 1);
  CHECK(tree.constants[0].repeated == 0);
  CHECK(tree.leaf_values == std::vector<double>{-2.5, 7.5});  // less their mean over the training rows
  CHECK(tree.features == std::vector<std::int32_t>{0});       // the first of the features in use
  CHECK(tree.n_levels == 1);
  CHECK(tree.n_points == 1);
}

TEST_CASE("slots name features by their position among those in use") {
  const auto program = compile(ForestArrays(9).add_tree(split(7, 0, stump(2), leaf(5))).add_tree(stump(4)));
  CHECK(program.encoding->features == std::vector<std::int32_t>{2, 4, 7});
  CHECK(program.trees[0].features == std::vector<std::int32_t>{2, 0});
  CHECK(program.trees[1].features == std::vector<std::int32_t>{1});
}

TEST_CASE("the larger child comes first, and the decision is flipped with it") {
  const auto tree = compile_tree(split(0, 0, leaf(10, 1), split(1, 0, leaf(20, 1), leaf(30, 2))));
  REQUIRE(tree.ops.size() == 1);
  check_op(tree.ops[0], Step::kTwigLeaf, 0, 1, 0);
  REQUIRE(tree.decisions.size() == 2);
  CHECK(flips(tree.decisions[0]));
  CHECK_FALSE(flips(tree.decisions[1]));
  CHECK(tree.constants[0].share == 0.75);                            // of the right child, now first
  CHECK(tree.leaf_values == std::vector<double>{0, -12.5, 10, 20});  // the twig's place holds none; less the leaf beside it
}

TEST_CASE("every kind of children has its step") {
  const Node twig = stump(1), subtree = split(2, 0, stump(3), leaf(5));
  const auto last = [](const Node& left, const Node& right) { return compile_tree(split(0, 0, left, right)).ops.back().step; };
  CHECK(last(leaf(1), leaf(2)) == Step::kLeafLeaf);
  CHECK(last(twig, leaf(2)) == Step::kTwigLeaf);
  CHECK(last(leaf(2), twig) == Step::kTwigLeaf);
  CHECK(last(twig, twig) == Step::kTwigTwig);
  CHECK(last(subtree, leaf(1)) == Step::kCombineSubLeaf);
  CHECK(last(leaf(1), subtree) == Step::kCombineSubLeaf);
  CHECK(last(subtree, twig) == Step::kCombineSubTwig);
  CHECK(last(twig, subtree) == Step::kCombineSubTwig);
  CHECK(last(subtree, subtree) == Step::kCombineSubSub);
}

// Nodes in program order: root f0; A = f1 to its left, with a leaf and the twig f2; B = f0 to its right, with twigs f1 and f3.
Node two_subtrees() {
  Node a = split(1, 0, leaf(1, 1), split(2, 0, leaf(2, 1), leaf(3, 1)));
  Node b = split(0, 1, split(1, 0, leaf(4, 1), leaf(5, 1)), split(3, 0, leaf(6, 1), leaf(7, 2)));
  return split(0, 0, std::move(a), std::move(b));
}

TEST_CASE("steps run depth first") {
  const auto tree = compile_tree(two_subtrees());
  REQUIRE(tree.ops.size() == 5);
  check_op(tree.ops[0], Step::kEnterFirst, 0, 1, 0);
  check_op(tree.ops[1], Step::kTwigLeaf, 0, 2, 1);
  check_op(tree.ops[2], Step::kEnterSecond, 0, 1, 0);
  check_op(tree.ops[3], Step::kTwigTwig, 1, 2, 3);
  check_op(tree.ops[4], Step::kCombineSubSub, 0, 1, 0);
  CHECK(tree.decisions.size() == 6);
  CHECK(tree.n_levels == 2);
}

TEST_CASE("twigs are numbered right after their parent") {
  // Root f0: a subtree on f1, and the twig f2; the subtree: a twig f3 and a twig f4.
  const auto tree = compile_tree(split(0, 0, split(1, 0, stump(3), stump(4)), stump(2)));
  const auto feature_of = [&](std::size_t node) { return tree.features[tree.constants[node].slot]; };
  REQUIRE(tree.decisions.size() == 5);
  CHECK(feature_of(0) == 0);
  CHECK(feature_of(1) == 2);
  CHECK(feature_of(2) == 1);
  CHECK(feature_of(3) == 3);
  CHECK(feature_of(4) == 4);
}

TEST_CASE("a twig's repeated feature is seen from either side of its parent") {
  const auto tree = compile_tree(split(0, 0, split(0, -1, leaf(1, 1), leaf(2, 1)), split(0, 1, leaf(3, 1), leaf(4, 5))));
  REQUIRE(tree.decisions.size() == 3);
  CHECK(tree.decisions[1].ancestor == 0);
  CHECK(tree.decisions[2].ancestor == 1);
  CHECK(tree.constants[1].accumulated == 0.25);
  CHECK(tree.constants[2].accumulated == 0.75);
}

TEST_CASE("a node knows the nearest ancestor on its feature and what share has been taken there") {
  const auto tree = compile_tree(two_subtrees());
  const auto& decisions = tree.decisions;
  CHECK(decisions[0].ancestor == -1);
  CHECK(decisions[1].ancestor == -1);
  CHECK(decisions[2].ancestor == -1);
  CHECK(decisions[3].ancestor == 2 * 0 + 1);  // B, the root's second child
  CHECK(decisions[4].ancestor == -1);         // f1 again, but not on this path
  CHECK(tree.constants[3].repeated == 1);
  CHECK(tree.constants[3].accumulated == Approx(5.0 / 8).epsilon(1e-15));
  CHECK(tree.constants[4].accumulated == 1);
}

TEST_CASE("shares of repeated features multiply along the path") {
  Node lowest = split(0, -2, leaf(1, 1), leaf(2, 3));
  Node middle = split(0, -1, std::move(lowest), leaf(3, 4));                    // half of the cover goes down
  const auto tree = compile_tree(split(0, 0, std::move(middle), leaf(4, 24)));  // a quarter does
  REQUIRE(tree.decisions.size() == 3);
  CHECK(tree.constants[1].accumulated == 0.25);
  CHECK(tree.constants[2].accumulated == 0.125);
  CHECK(tree.decisions[1].ancestor == 0);
  CHECK(tree.decisions[2].ancestor == 2);
  CHECK(tree.features.size() == 1);
}

TEST_CASE("children without cover share alike") {
  CHECK(compile_tree(split(0, 0, leaf(1, 0), leaf(2, 0))).constants[0].share == 0.5);
  CHECK(compile_tree(split(0, 0, leaf(1, 0), leaf(2, 3))).constants[0].share == 0);
}

TEST_CASE("half as many points as distinct features on a path, rounded down beside t = 0") {
  for (const int distinct : {1, 2, 3, 4, 5, 16, 17, 40}) {
    CAPTURE(distinct);
    const auto tree = compile_tree(chain(2 * distinct, distinct, 1), distinct);  // each feature twice
    CHECK(tree.has_zero_point);
    CHECK(tree.n_points == std::max(1, distinct / 2));
    CHECK(tree.features.size() == static_cast<std::size_t>(distinct));
  }
}

TEST_CASE("a split that sent no row one way needs a rule without t = 0") {
  const auto tree = compile_tree(split(0, 0, split(1, 0, leaf(1, 0), leaf(2, 3)), split(2, 0, leaf(3, 1), leaf(4, 1))));
  CHECK_FALSE(tree.has_zero_point);
  CHECK(tree.n_points == 1);
  const auto three = compile_tree(split(0, 0, split(1, 0, split(2, 0, leaf(1, 0), leaf(2, 1)), leaf(3, 1)), leaf(4, 1)));
  CHECK(three.n_points == 2);
  CHECK(three.at_zero == std::vector<double>(three.at_zero.size(), 0.0));
}

TEST_CASE("terms for t = 0 are the cover's share of the path times the difference of the children's means") {
  // Root f0, three quarters to the first child; below it f1 with a leaf and the twig f0, whose path has been to f0 before.
  Node twig = split(0, -1, leaf(1, 1), leaf(3, 1));
  Node first = split(1, 0, std::move(twig), leaf(6, 1));
  const auto tree = compile_tree(split(0, 0, std::move(first), leaf(10, 1)));
  REQUIRE(tree.at_zero.size() == 3);
  const double mean = (2 * 2.0 + 6) / 3;
  CHECK(tree.at_zero[0] == Approx(mean - 10).epsilon(1e-14));
  CHECK(tree.at_zero[1] == Approx(0.75 * (2 - 6)).epsilon(1e-14));
  CHECK(tree.at_zero[2] == Approx(2.0 / 3).epsilon(1e-14));  // a twig inside its parent: without the difference, and without f0
  CHECK(tree.ops.back().repeated == 0);
  CHECK(tree.ops[1].repeated == 2);  // f1's first twig
}

TEST_CASE("distinct features are counted by path, not by tree") {
  const auto tree = compile_tree(split(0, 0, split(1, 0, stump(2), leaf(1)), split(3, 0, stump(4), leaf(1))));
  CHECK(tree.features.size() == 5);
  CHECK(tree.n_points == 1);
}

TEST_CASE("a feature is counted again after its path has been left") {
  // f1 is met in both halves; the second half has four distinct features all the same.
  const auto tree = compile_tree(split(0, 0, stump(1), split(1, 0, split(3, 0, stump(2), leaf(1)), leaf(1))));
  CHECK(tree.n_points == 2);
  const auto other_way =
      compile_tree(split(0, 0, split(1, 0, stump(2), leaf(1)), split(1, 0, leaf(1), split(3, 0, stump(4), leaf(1)))));
  CHECK(other_way.n_points == 2);
  CHECK(other_way.features.size() == 5);
}

TEST_CASE("bounds count a column's thresholds over the whole forest") {
  ForestArrays forest(2);
  forest.add_tree(stump(0, 5)).add_tree(stump(0, -1)).add_tree(stump(1, 7)).add_tree(stump(0, 5)).add_tree(stump(0, 2));
  const auto program = compile(forest);
  REQUIRE(program.encoding->columns.size() == 2);
  CHECK(program.encoding->columns[0].cuts == std::vector<double>{-1, 2, 5});
  CHECK(program.encoding->columns[1].cuts == std::vector<double>{7});
  std::vector<int> bounds;
  for (const auto& tree : program.trees) bounds.push_back(tree.decisions[0].bound);
  CHECK(bounds == std::vector<int>{2, 0, 0, 2, 1});
}

TEST_CASE("a missing value that goes left wraps") {
  const auto tree = compile_tree(split(0, 0.5, leaf(1), leaf(2), true));
  CHECK((tree.decisions[0].column & Decision::kMissingWraps) != 0);
  CHECK(tree.decisions[0].bound == 1);
  CHECK((compile_tree(stump(0)).decisions[0].column & Decision::kMissingWraps) == 0);
}

TEST_CASE("one feature under two missing rules is two columns") {
  Node zero = stump(0, 1);
  zero.zero_is_missing = true;
  const auto program = compile(ForestArrays(1).add_tree(stump(0, 2)).add_tree(zero));
  REQUIRE(program.encoding->columns.size() == 2);
  CHECK_FALSE(program.encoding->columns[0].zero_is_missing);
  CHECK(program.encoding->columns[1].zero_is_missing);
  CHECK(program.trees[0].features == program.trees[1].features);
}

TEST_CASE("codes widen beyond 32000 cuts of one column") {
  const auto n_cuts = [](int n) {
    ForestArrays forest(1);
    for (int i = 0; i < n; ++i) forest.add_tree(stump(0, i));
    return compile(forest).encoding->wide_codes;
  };
  CHECK_FALSE(n_cuts(32000));
  CHECK(n_cuts(32001));
}

TEST_CASE("category masks hold the codes that take the first child") {
  ForestArrays forest(1);
  // In program order: the root {7, 2} (flipped: its right child is larger), then {2, 40} with missing to the left.
  forest.add_tree(split_on_categories(0, {7, 2}, leaf(1), split_on_categories(0, {2, 40}, leaf(2), leaf(3), true)));
  const auto program = compile(forest);
  REQUIRE(program.encoding->columns.size() == 1);
  const Column& column = program.encoding->columns[0];
  CHECK(column.categorical);
  CHECK(column.cuts == std::vector<double>{2, 7, 40});
  CHECK(column.other_code() == 3);
  CHECK(column.missing_code() == 4);
  const auto& tree = program.trees.at(0);
  for (const auto& decision : tree.decisions) CHECK((decision.column & Decision::kCategorical) != 0);
  REQUIRE(tree.category_blocks.size() == 1);
  const auto& block = tree.category_blocks[0];
  CHECK(block.nodes == std::vector<std::uint32_t>{0, 1});
  REQUIRE(block.columns.size() == 1);
  // Bit 0, flipped: 40, others and missing. Bit 1: 2, 40 and missing.
  CHECK(block.columns[0].masks == std::vector<std::uint64_t>{0b10, 0b00, 0b11, 0b01, 0b11});
}

TEST_CASE("category blocks hold at most 64 nodes and every categorical node once") {
  testing::ForestShape shape;
  shape.n_trees = 1;
  shape.max_depth = 9;
  shape.leaf_chance = 0;
  shape.categorical_chance = 0.7;
  const auto program = compile(random_forest(shape, 3));
  const auto& tree = program.trees.at(0);
  std::vector<std::uint32_t> nodes, expected;
  for (const auto& block : tree.category_blocks) {
    CHECK(block.nodes.size() <= 64);
    nodes.insert(nodes.end(), block.nodes.begin(), block.nodes.end());
  }
  for (std::uint32_t number = 0; number < tree.decisions.size(); ++number)
    if (tree.decisions[number].column & Decision::kCategorical) expected.push_back(number);
  REQUIRE(tree.category_blocks.size() > 2);
  std::sort(nodes.begin(), nodes.end());
  CHECK(nodes == expected);
}

TEST_CASE("trees of one leaf are left out") {
  const auto program = compile(ForestArrays(1).add_tree(leaf(3)).add_tree(stump(0)).add_tree(leaf(4)));
  CHECK(program.trees.size() == 1);
  CHECK(compile(ForestArrays(1).add_tree(leaf(3))).trees.empty());
}

TEST_CASE("bundles cover all trees once, at most 16 of them and none empty") {
  for (const int n_trees : {0, 1, 2, 15, 16, 17, 100, 333}) {
    testing::ForestShape shape;
    shape.n_trees = n_trees;
    shape.leaf_chance = 0.4;  // sizes vary
    const auto bundles = compile(random_forest(shape, 5)).bundles;
    CAPTURE(n_trees, bundles);
    CHECK(bundles.front() == 0);
    CHECK(bundles.back() == n_trees);
    CHECK(bundles.size() <= 17);
    CHECK(std::adjacent_find(bundles.begin(), bundles.end(), std::greater_equal<>()) == bundles.end());
  }
}

TEST_CASE("one huge tree does not upset the bundles") {
  ForestArrays forest(3);
  for (int i = 0; i < 30; ++i) forest.add_tree(stump(i % 3));
  forest.add_tree(chain(500, 3, 1));
  for (int i = 0; i < 30; ++i) forest.add_tree(stump(i % 3));
  const auto bundles = compile(forest).bundles;
  CHECK(bundles.front() == 0);
  CHECK(bundles.back() == 61);
  CHECK(std::adjacent_find(bundles.begin(), bundles.end(), std::greater_equal<>()) == bundles.end());
}

TEST_CASE("the forest's maxima are those of its trees") {
  ForestArrays forest(6, 3);
  forest.add_tree(two_subtrees(), 2).add_tree(chain(12, 6, 1), 1).add_tree(stump(0), 0);
  const auto program = compile(forest);
  CHECK(program.max_levels == program.trees[1].n_levels);
  CHECK(program.max_points == 3);
  CHECK(program.max_slots == 6);
  CHECK(program.max_decisions == 12);
  CHECK(program.trees[0].output == 2);
  CHECK(program.trees[1].output == 1);
  CHECK(program.trees[2].output == 0);
}

TEST_CASE("a forest compiles alike on any number of threads") {
  testing::ForestShape shape;
  shape.n_trees = 40;
  shape.categorical_chance = 0.3;
  const auto forest = random_forest(shape, 7);
  const auto one = compile(forest, 1), three = compile(forest, 3);
  REQUIRE(one.trees.size() == three.trees.size());
  CHECK(one.bundles == three.bundles);
  for (std::size_t i = 0; i < one.trees.size(); ++i) {
    const auto &a = one.trees[i], &b = three.trees[i];
    CHECK(a.features == b.features);
    CHECK(a.leaf_values == b.leaf_values);
    CHECK(std::equal(a.decisions.begin(), a.decisions.end(), b.decisions.begin(), b.decisions.end(),
                     [](const Decision& x, const Decision& y) {
                       return x.bound == y.bound && x.column == y.column && x.ancestor == y.ancestor;
                     }));
    CHECK(std::equal(a.ops.begin(), a.ops.end(), b.ops.begin(), b.ops.end(), [](const Op& x, const Op& y) {
      return x.step == y.step && x.node == y.node && x.level == y.level && x.side == y.side && x.repeated == y.repeated;
    }));
  }
}

}  // namespace
}  // namespace fastexplain
