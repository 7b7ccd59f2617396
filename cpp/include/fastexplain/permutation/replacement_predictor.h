// Raw outputs of a forest after some of a row's features were replaced by those of another row.
//
// A row leaves its own path through a tree only at a split on a replaced feature, and below that split it follows the rest of
// its own values. So one walk per row and tree serves every feature and every repeat: at each split the replacements are
// compared with the threshold, those that go the other way share one walk from the sibling, and each adds the difference of
// two leaves. Cost per row and tree: O(depth^2) steps and O(depth * repeats) comparisons, whatever the number of features.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fastexplain/parallel.h"
#include "fastexplain/tree/forest.h"

namespace fastexplain {

// Replacements per player that one call can take: they are kept as bits of a word.
inline constexpr std::int64_t kMaxReplacements = 64;

// Player: a set of features that are replaced together. Job: one replacement of one player in all rows.
struct ReplacementPlan {
  std::int64_t n_rows = 0;
  std::int64_t n_players = 0;
  const std::int32_t* feature_player = nullptr;  // (n_features,): player that owns the feature, -1 if none
  const std::int64_t* job_offsets = nullptr;     // (n_players + 1,): jobs of player p; at most kMaxReplacements each
  const std::int32_t* donors = nullptr;          // (n_jobs, n_rows): row whose values replace those of the player's features
};

class SmallTreePredictor;

// Predicts rows of which some columns were replaced: a forest laid out for walking, and where its trees are small, as words of
// decisions. Immutable. Copies what it needs except leaf values and category sets.
class ReplacementPredictor {
 public:
  // Leaf values and offsets are whole multiples of a quantum and their sums stay below 2^52 of it, so that sums of doubles are
  // exact in any order: rows in the same leaves tie, however they got there. grid: outputs are rounded to multiples of it, so
  // that leaves that add up to the same in the library's own arithmetic tie too; 0 leaves them.
  ReplacementPredictor(const ForestView& forest, double grid);

  // x: (n_rows, n_features) in C order, rounded as the model rounds, every missing value NaN.
  void predict(const double* x, std::int64_t n_rows, const double* base_offset, double* out, int n_threads,
               const InterruptCheck& check) const;

  // base: (n_rows, n_outputs) from predict. out: (n_jobs, n_rows, n_outputs).
  void replace(const double* x, const ReplacementPlan& plan, const double* base, double* out, int n_threads,
               const InterruptCheck& check) const;

  std::int64_t n_features() const { return forest_.n_features; }
  std::int64_t n_outputs() const { return forest_.n_outputs; }

 private:
  // Siblings lie side by side; a tree's nodes lie together, so that it stays in the first-level cache for a block of rows.
  struct Node {
    double threshold;
    std::int32_t child;    // the left one, the right one follows; at a leaf the node's number in the Forest
    std::int32_t feature;  // -1 at a leaf
  };
  static constexpr std::uint8_t kDefaultLeft = 1, kZeroMissing = 2, kCategorical = 4;
  struct Step;
  struct Block;
  using Run = void (ReplacementPredictor::*)(std::int64_t begin, std::int64_t end, const double* x, const double* by_column,
                                             const ReplacementPlan& plan, const double* base, double* out, Block& block) const;

  bool goes_left_rare(std::int64_t at, double x) const;
  template <bool kPlain>
  static Run run_for(const ReplacementPlan& plan);
  template <bool kPlain, int kJobs>
  void replace_block(std::int64_t begin, std::int64_t end, const double* x, const double* by_column,
                     const ReplacementPlan& plan, const double* base, double* out, Block& block) const;
  template <bool kPlain, int kJobs>
  void tree(std::int64_t t, const double* x, const double* replaced, double* difference, Block& block) const;

  ForestView forest_;
  std::shared_ptr<const SmallTreePredictor> words_;  // null: trees are large or split on categories
  std::vector<Node> nodes_;
  std::vector<std::uint8_t> kind_;
  std::vector<std::int64_t> roots_;
  bool plain_ = true;  // no node treats zero as missing or splits on categories
  int max_depth_ = 0;
  double rounder_;  // adding and taking it away rounds to the grid
};

}  // namespace fastexplain
