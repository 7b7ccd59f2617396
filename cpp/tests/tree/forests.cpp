#include "forests.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace fastexplain::testing {
namespace {

// 0.1 and -0.3 are no float32 numbers: rounding a row first changes which side it goes.
constexpr double kGrid[] = {-2, -1.25, -0.5, -0.3, 0, 0.1, 0.75, 1.5, 3};

template <class T, std::size_t n>
T pick(Random& random, const T (&from)[n]) {
  return from[random.below(static_cast<int>(n))];
}

class Grower {
 public:
  Grower(const ForestShape& shape, Random& random) : shape_(shape), random_(random) {}

  Node grow(int depth) {
    const double cover = random_.chance(shape_.zero_cover_chance) ? 0 : 1 + random_.below(20);
    if (depth >= shape_.max_depth || (depth > 0 && random_.chance(shape_.leaf_chance))) {
      std::vector<double> values(shape_.vector_leaves ? shape_.n_outputs : 1);
      for (auto& value : values) value = 4 * random_.uniform() - 2;
      return leaf(std::move(values), cover);
    }
    const std::int32_t feature = random_.below(shape_.n_features);
    const bool default_left = random_.chance(0.5), categorical = random_.chance(shape_.categorical_chance);
    Node left = grow(depth + 1), right = grow(depth + 1);
    Node node = categorical ? split_on_categories(feature, categories(), std::move(left), std::move(right), default_left)
                            : split(feature, pick(random_, kGrid), std::move(left), std::move(right), default_left);
    node.cover = cover;  // not the children's sum: the share is by the children alone
    node.zero_is_missing = random_.chance(shape_.zero_missing_chance);
    return node;
  }

 private:
  std::vector<std::int32_t> categories() {  // now and then none
    std::vector<std::int32_t> chosen;
    const double share = random_.uniform();
    for (int category = 0; category < shape_.n_categories; ++category)
      if (random_.chance(share)) chosen.push_back(category);
    return chosen;
  }

  const ForestShape& shape_;
  Random& random_;
};

}  // namespace

std::uint64_t Random::next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

int Random::below(int n) { return static_cast<int>(uniform() * n); }

Node leaf(double value, double cover) { return leaf(std::vector<double>{value}, cover); }

Node leaf(std::vector<double> values, double cover) {
  Node node;
  node.values = std::move(values);
  node.cover = cover;
  return node;
}

Node split(std::int32_t feature, double threshold, Node left, Node right, bool default_left) {
  Node node;
  node.feature = feature;
  node.threshold = threshold;
  node.default_left = default_left;
  node.cover = left.cover + right.cover;
  node.children.push_back(std::move(left));
  node.children.push_back(std::move(right));
  return node;
}

Node split_on_categories(std::int32_t feature, std::vector<std::int32_t> categories, Node left, Node right, bool default_left) {
  Node node = split(feature, std::numeric_limits<double>::quiet_NaN(), std::move(left), std::move(right), default_left);
  node.categorical = true;
  node.categories = std::move(categories);
  return node;
}

ForestArrays::ForestArrays(std::int32_t n_features, std::int32_t n_outputs, std::int32_t n_leaf_outputs)
    : n_features_(n_features), n_outputs_(n_outputs), n_leaf_outputs_(n_leaf_outputs) {}

ForestArrays& ForestArrays::add_tree(const Node& root, std::int32_t output) {
  append(root, tree_offsets_.back());
  tree_offsets_.push_back(static_cast<std::int64_t>(feature_.size()));
  tree_output_.push_back(output);
  return *this;
}

std::int32_t ForestArrays::append(const Node& node, std::int64_t root) {
  const std::size_t at = feature_.size();
  const bool is_leaf = node.children.empty();
  feature_.push_back(node.feature);
  threshold_.push_back(node.threshold);
  default_left_.push_back(node.default_left);
  zero_is_missing_.push_back(node.zero_is_missing);
  cover_.push_back(node.cover);
  children_left_.push_back(-1);
  children_right_.push_back(-1);
  category_set_.push_back(node.categorical ? static_cast<std::int32_t>(category_set_offsets_.size()) - 1 : -1);
  if (node.categorical) {
    category_set_members_.insert(category_set_members_.end(), node.categories.begin(), node.categories.end());
    category_set_offsets_.push_back(static_cast<std::int64_t>(category_set_members_.size()));
  }
  for (std::int32_t k = 0; k < n_leaf_outputs_; ++k)
    values_.push_back(is_leaf ? node.values.at(k) : std::numeric_limits<double>::quiet_NaN());  // inner: ignored
  if (!is_leaf) {
    children_left_[at] = append(node.children[0], root);
    children_right_[at] = append(node.children[1], root);
  }
  return static_cast<std::int32_t>(static_cast<std::int64_t>(at) - root);
}

ForestView ForestArrays::view() const {
  ForestView view;
  view.n_features = n_features_;
  view.n_outputs = n_outputs_;
  view.n_leaf_outputs = n_leaf_outputs_;
  view.n_trees = static_cast<std::int64_t>(tree_output_.size());
  view.tree_offsets = tree_offsets_.data();
  view.children_left = children_left_.data();
  view.children_right = children_right_.data();
  view.feature = feature_.data();
  view.threshold = threshold_.data();
  view.default_left = default_left_.data();
  view.cover = cover_.data();
  view.values = values_.data();
  view.tree_output = tree_output_.data();
  if (std::count(zero_is_missing_.begin(), zero_is_missing_.end(), 1) > 0) view.zero_is_missing = zero_is_missing_.data();
  if (category_set_offsets_.size() > 1) {
    view.category_set = category_set_.data();
    view.category_set_offsets = category_set_offsets_.data();
    view.category_set_members = category_set_members_.data();
  }
  view.float32_input = float32_input;
  view.has_missing_value = missing_value.has_value();
  view.missing_value = missing_value.value_or(std::numeric_limits<double>::quiet_NaN());
  return view;
}

double ForestArrays::largest_leaf() const {
  double largest = 0;
  for (const double value : values_)
    if (std::abs(value) > largest) largest = std::abs(value);
  return largest;
}

ForestArrays random_forest(const ForestShape& shape, std::uint64_t seed) {
  Random random(seed);
  ForestArrays forest(shape.n_features, shape.n_outputs, shape.vector_leaves ? shape.n_outputs : 1);
  forest.float32_input = shape.float32_input;
  forest.missing_value = shape.missing_value;
  Grower grower(shape, random);
  for (int tree = 0; tree < shape.n_trees; ++tree)
    forest.add_tree(grower.grow(0), shape.vector_leaves ? 0 : tree % shape.n_outputs);
  return forest;
}

std::vector<double> random_rows(const ForestArrays& forest, std::int64_t n_rows, std::uint64_t seed) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double special[] = {std::numeric_limits<double>::quiet_NaN(),
                            forest.missing_value.value_or(-1),
                            kInfinity,
                            -kInfinity,
                            0.0,
                            -0.0,
                            1e-36,
                            -kZeroThreshold,
                            1e-34,
                            1e300,
                            -1,
                            -0.7,
                            5e9};
  Random random(seed);
  std::vector<double> rows(static_cast<std::size_t>(n_rows) * forest.n_features());
  for (auto& x : rows) {
    const double kind = random.uniform();
    if (kind < 0.35)
      x = pick(random, kGrid);
    else if (kind < 0.55)
      x = 5 * random.uniform() - 2.5;
    else if (kind < 0.75)
      x = random.below(16) + (random.chance(0.3) ? 0.6 : 0);
    else
      x = pick(random, special);
  }
  return rows;
}

Node chain(int depth, std::int32_t n_features, std::uint64_t seed) {
  Random random(seed);
  Node node = leaf(random.uniform(), 5);
  for (int level = depth - 1; level >= 0; --level) {
    const double cover = 1 + random.below(3), of_rest = node.cover;
    node = split(level % n_features, -2 + 4 * random.uniform() * random.uniform(), leaf(random.uniform(), cover),
                 std::move(node), random.chance(0.2));
    node.cover = std::min(cover + of_rest, 60.0);  // keeps the share of a leaf above a few percent
  }
  return node;
}

}  // namespace fastexplain::testing
