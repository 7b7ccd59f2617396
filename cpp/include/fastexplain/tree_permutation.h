// Raw outputs of a forest after some of a row's features were replaced by those of another row.
//
// A row leaves its own path through a tree only at a split on a replaced feature, and below that split it follows the rest of
// its own values. So one walk per row and tree serves every feature and every repeat: at each split the replacements are
// compared with the threshold, those that go the other way share one walk from the sibling, and each adds the difference of
// two leaves. Cost per row and tree: O(depth^2) steps and O(depth * repeats) comparisons, whatever the number of features.
#pragma once

#include <cstdint>
#include <vector>

#include "fastexplain/forest.h"
#include "fastexplain/parallel.h"

namespace fastexplain {

// Replacements per player that one call can take: they are kept as bits of a word.
inline constexpr std::int64_t kMaxReplacements = 64;

struct ReplacementPlan {
  std::int64_t n_rows = 0;
  std::int64_t n_players = 0;
  const std::int32_t* feature_player = nullptr;  // (n_features,): player that owns the feature, -1 if none
  const std::int64_t* job_offsets = nullptr;     // (n_players + 1,): jobs of player p; at most kMaxReplacements each
  const std::int32_t* donors = nullptr;          // (n_jobs, n_rows): row whose values replace those of the player's features
};

// A forest laid out for walking. Immutable. Copies what it needs except leaf values and category sets.
class TreePermuter {
 public:
  explicit TreePermuter(const ForestView& forest);

  // x: (n_rows, n_features) in C order, rounded as the model rounds, every missing value NaN.
  void predict(const double* x, std::int64_t n_rows, const double* base_offset, double* out, int n_threads,
               const InterruptCheck& check) const;

  // by_column: x in Fortran order. base: (n_rows, n_outputs) from predict. out: (n_jobs, n_rows, n_outputs).
  void replace(const double* x, const double* by_column, const ReplacementPlan& plan, const double* base, double* out,
               int n_threads, const InterruptCheck& check) const;

  std::int64_t n_features() const { return forest_.n_features; }
  std::int64_t n_outputs() const { return forest_.n_outputs; }

 private:
  struct Node {
    double threshold;
    std::int32_t feature;  // -1 at a leaf
    std::int32_t left;     // counted over the forest
    std::int32_t right;
    std::int32_t kind;  // bits below
  };
  static constexpr std::int32_t kDefaultLeft = 1, kZeroMissing = 2, kCategorical = 4;
  struct Worker;

  bool goes_left(std::int64_t at, const Node& node, double x) const;
  bool in_set(std::int64_t at, double x) const;
  std::uint64_t left_bits(std::int64_t at, const Node& node, const double* values, std::int64_t n) const;
  std::int64_t walk(std::int64_t at, const double* x) const;
  void row(std::int64_t i, const double* x, const double* by_column, const ReplacementPlan& plan, const double* base,
           double* out, Worker& worker) const;
  void tree(std::int64_t t, const double* x, const ReplacementPlan& plan, Worker& worker) const;
  void add(std::int64_t t, std::int64_t job, std::int64_t leaf, std::int64_t base_leaf, Worker& worker) const;

  ForestView forest_;
  std::vector<Node> nodes_;
};

}  // namespace fastexplain
