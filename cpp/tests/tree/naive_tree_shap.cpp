#include "naive_tree_shap.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fastexplain::testing {
namespace {

bool goes_left(const ForestView& forest, std::int64_t node, double x) {
  if (forest.float32_input) x = static_cast<double>(static_cast<float>(x));
  const bool missing = std::isnan(x) || (forest.has_missing_value && x == forest.missing_value) ||
                       (forest.zero_missing(node) && std::abs(x) <= kZeroThreshold);
  if (missing) return forest.default_left[node] != 0;
  if (!forest.is_categorical(node)) return x <= forest.threshold[node];
  const auto set = forest.category_set[node];
  const auto* begin = forest.category_set_members + forest.category_set_offsets[set];
  const auto* end = forest.category_set_members + forest.category_set_offsets[set + 1];
  return std::any_of(begin, end, [x](std::int32_t category) { return std::trunc(x) == category; });
}

// One tree and one row as a game of the tree's features: player p is features[p], a coalition a set of bits.
class Game {
 public:
  // other: the row that absent features are taken from; null: they follow the cover.
  Game(const ForestView& forest, std::int64_t tree, const double* row, const double* other = nullptr)
      : forest_(forest), root_(forest.tree_offsets[tree]), player_(forest.n_features, -1) {
    const auto end = forest.tree_offsets[tree + 1];
    for (auto node = root_; node < end; ++node) {
      if (forest.is_leaf(node) || player_[forest.feature[node]] >= 0) continue;
      player_[forest.feature[node]] = static_cast<int>(features_.size());
      features_.push_back(forest.feature[node]);
    }
    for (auto node = root_; node < end; ++node) {
      left_.push_back(!forest.is_leaf(node) && goes_left(forest, node, row[forest.feature[node]]));
      if (other != nullptr)
        other_left_.push_back(!forest.is_leaf(node) && goes_left(forest, node, other[forest.feature[node]]));
    }
  }

  const std::vector<std::int32_t>& features() const { return features_; }

  // Leaf value where the coalition's features are known; of the others, expected by cover, or of the other row.
  double value(std::uint64_t coalition, int leaf_output) const { return value_at(root_, coalition, leaf_output); }

  double nobody(int leaf_output) const { return value(0, leaf_output); }
  double everybody(int leaf_output) const { return value(~std::uint64_t{0}, leaf_output); }

 private:
  double value_at(std::int64_t node, std::uint64_t coalition, int leaf_output) const {
    if (forest_.is_leaf(node)) return forest_.values[node * forest_.n_leaf_outputs + leaf_output];
    const auto left = root_ + forest_.children_left[node], right = root_ + forest_.children_right[node];
    if (coalition >> player_[forest_.feature[node]] & 1)
      return value_at(left_[node - root_] ? left : right, coalition, leaf_output);
    if (!other_left_.empty()) return value_at(other_left_[node - root_] ? left : right, coalition, leaf_output);
    const double both = forest_.cover[left] + forest_.cover[right];
    const double share = both == 0 ? 0.5 : forest_.cover[left] / both;
    return share * value_at(left, coalition, leaf_output) + (1 - share) * value_at(right, coalition, leaf_output);
  }

  const ForestView& forest_;
  const std::int64_t root_;
  std::vector<int> player_;  // by feature
  std::vector<std::int32_t> features_;
  std::vector<bool> left_, other_left_;  // by node of the tree: where the rows go
};

// Shapley 1953: |S|! (n - |S| - 1)! / n!, the weight of a coalition of `size` others: one over n times n - 1 choose size.
double shapley_weight(int size, int n_players) {
  double weight = 1.0 / n_players;
  for (int i = 1; i <= size; ++i) weight *= static_cast<double>(i) / (n_players - i);
  return weight;
}

void add_shapley_values(const Game& game, int leaf_output, double* values, std::int64_t stride) {
  const int n_players = static_cast<int>(game.features().size());
  const std::uint64_t n_coalitions = std::uint64_t{1} << n_players;
  std::vector<double> weight(n_players), worth(n_coalitions);
  for (int size = 0; size < n_players; ++size) weight[size] = shapley_weight(size, n_players);
  for (std::uint64_t coalition = 0; coalition < n_coalitions; ++coalition)
    worth[coalition] = game.value(coalition, leaf_output);
  for (int player = 0; player < n_players; ++player) {
    const std::uint64_t bit = std::uint64_t{1} << player;
    long double value = 0;  // of up to 2^17 terms
    for (std::uint64_t others = 0; others < n_coalitions; ++others)
      if (!(others & bit)) value += weight[std::popcount(others)] * (worth[others | bit] - worth[others]);
    values[game.features()[player] * stride] += static_cast<double>(value);
  }
}

// Calls fn(game, leaf output, row number, output) for everything there is to explain.
template <class F>
void for_each_game(const ForestView& forest, const std::vector<double>& rows, F&& fn) {
  const std::size_t n_rows = rows.size() / forest.n_features;
  for (std::size_t row = 0; row < n_rows; ++row)
    for (std::int64_t tree = 0; tree < forest.n_trees; ++tree) {
      const Game game(forest, tree, rows.data() + row * forest.n_features);
      for (int k = 0; k < forest.n_leaf_outputs; ++k)
        fn(game, k, row, forest.n_leaf_outputs == 1 ? forest.tree_output[tree] : k);
    }
}

}  // namespace

std::vector<double> naive_tree_shap(const ForestView& forest, const std::vector<double>& rows) {
  std::vector<double> values(rows.size() * forest.n_outputs);
  const std::size_t of_row = static_cast<std::size_t>(forest.n_features) * forest.n_outputs;
  for_each_game(forest, rows, [&](const Game& game, int leaf_output, std::size_t row, int output) {
    add_shapley_values(game, leaf_output, values.data() + row * of_row + output, forest.n_outputs);
  });
  return values;
}

std::vector<double> naive_interventional(const ForestView& forest, const std::vector<double>& rows,
                                         const std::vector<double>& background, const std::vector<double>& weights) {
  const std::size_t n_features = forest.n_features, n_outputs = forest.n_outputs, n_rows = rows.size() / n_features;
  std::vector<double> values(rows.size() * n_outputs), of_pair(n_features * n_outputs);
  double sum = 0;
  for (const double weight : weights) sum += weight;
  for (std::size_t row = 0; row < n_rows; ++row)
    for (std::size_t other = 0; other < weights.size(); ++other) {
      std::fill(of_pair.begin(), of_pair.end(), 0.0);
      for (std::int64_t tree = 0; tree < forest.n_trees; ++tree) {
        const Game game(forest, tree, rows.data() + row * n_features, background.data() + other * n_features);
        for (int k = 0; k < forest.n_leaf_outputs; ++k)
          add_shapley_values(game, k, of_pair.data() + (forest.n_leaf_outputs == 1 ? forest.tree_output[tree] : k),
                             forest.n_outputs);
      }
      for (std::size_t i = 0; i < of_pair.size(); ++i) values[row * of_pair.size() + i] += weights[other] / sum * of_pair[i];
    }
  return values;
}

std::vector<double> naive_gain(const ForestView& forest, const std::vector<double>& rows) {
  std::vector<double> gain(rows.size() / forest.n_features * forest.n_outputs);
  for_each_game(forest, rows, [&](const Game& game, int leaf_output, std::size_t row, int output) {
    gain[row * forest.n_outputs + output] += game.everybody(leaf_output) - game.nobody(leaf_output);
  });
  return gain;
}

}  // namespace fastexplain::testing
