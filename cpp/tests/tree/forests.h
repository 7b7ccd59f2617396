// Forests and rows for the tests: written by hand as nested nodes, or random.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastexplain/tree/forest.h"

namespace fastexplain::testing {

// SplitMix64 (Steele et al. 2014): the same numbers with every standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  double uniform();  // [0, 1)
  int below(int n);  // 0 .. n - 1
  bool chance(double probability) { return uniform() < probability; }

 private:
  std::uint64_t next();
  std::uint64_t state_;
};

struct Node {
  std::int32_t feature = -1;
  double threshold = 0;
  bool default_left = false;
  bool zero_is_missing = false;
  bool categorical = false;
  double cover = 0;
  std::vector<std::int32_t> categories;  // that go left
  std::vector<double> values;            // of a leaf, one per leaf output
  std::vector<Node> children;            // none, or left and right
};

Node leaf(double value, double cover = 1);
Node leaf(std::vector<double> values, double cover = 1);
Node split(std::int32_t feature, double threshold, Node left, Node right, bool default_left = false);
Node split_on_categories(std::int32_t feature, std::vector<std::int32_t> categories, Node left, Node right,
                         bool default_left = false);

// Owns what a ForestView borrows.
class ForestArrays {
 public:
  ForestArrays(std::int32_t n_features, std::int32_t n_outputs = 1, std::int32_t n_leaf_outputs = 1);

  ForestArrays& add_tree(const Node& root, std::int32_t output = 0);
  ForestView view() const;  // valid until the next change

  bool float32_input = false;
  std::optional<double> missing_value;

  std::int32_t n_features() const { return n_features_; }
  std::int32_t n_outputs() const { return n_outputs_; }
  double largest_leaf() const;

 private:
  std::int32_t append(const Node& node, std::int64_t root);

  std::int32_t n_features_, n_outputs_, n_leaf_outputs_;
  std::vector<std::int64_t> tree_offsets_{0};
  std::vector<std::int32_t> children_left_, children_right_, feature_, tree_output_, category_set_;
  std::vector<double> threshold_, cover_, values_;
  std::vector<std::uint8_t> default_left_, zero_is_missing_;
  std::vector<std::int64_t> category_set_offsets_{0};
  std::vector<std::int32_t> category_set_members_;
};

// What random forests are made of. Thresholds lie on a coarse grid, so that rows meet them exactly.
struct ForestShape {
  std::int32_t n_features = 6;
  std::int32_t n_outputs = 1;
  bool vector_leaves = false;  // else each tree serves one output, in turn
  int n_trees = 6;
  int max_depth = 5;
  double leaf_chance = 0.15;  // that a node above max_depth is a leaf
  double zero_cover_chance = 0;
  double categorical_chance = 0;
  int n_categories = 12;
  double zero_missing_chance = 0;
  bool float32_input = false;
  std::optional<double> missing_value = {};
};

ForestArrays random_forest(const ForestShape& shape, std::uint64_t seed);

// Rows, C order: thresholds of random_forest, categories and fractions, NaN, infinities, numbers close to zero, and
// missing_value.
std::vector<double> random_rows(const ForestArrays& forest, std::int64_t n_rows, std::uint64_t seed);

// A tree of `depth` inner nodes that each have a leaf to the left; level i splits on feature i % n_features.
Node chain(int depth, std::int32_t n_features, std::uint64_t seed);

}  // namespace fastexplain::testing
