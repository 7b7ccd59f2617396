// Interventional Tree SHAP by walks: explained rows go through each tree together with the background rows that can still be
// told apart from them: as pairs, a block of rows at a time, where the tree's features are few (isa/pair_walk_body.inc); else
// row by row, with the background rows as bits (isa/background_body.inc). Costs what the pairs of a row and a background row
// have in common leave over: fit for deep trees, and for backgrounds of up to some thousand rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "aligned_buffer.h"
#include "fastexplain/parallel.h"
#include "fastexplain/tree/forest.h"
#include "fastexplain/tree/views.h"
#include "tree/background_tree.h"
#include "tree/encoding.h"
#include "tree/tree_program.h"

namespace fastexplain {

// Background rows as codes, in tiles. Rows of weight zero are left out.
class EncodedBackground {
 public:
  // weights: of each row, or null for equal ones; they are divided by their sum.
  EncodedBackground(const Encoding& encoding, const RowsView& rows, const double* weights);

  std::int64_t n_rows() const { return static_cast<std::int64_t>(weights_.size()); }
  std::int64_t n_tiles() const { return (n_rows() + kTileRows - 1) / kTileRows; }
  int rows_in(std::int64_t tile) const;
  int words_in(std::int64_t tile) const;  // of those that the kernels take: 1, 2 or 4
  const void* codes(std::int64_t tile) const { return codes_.get() + tile * static_cast<std::int64_t>(tile_bytes_); }
  const std::vector<double>& weights() const { return weights_; }
  // The same where codes are of two bytes.
  const std::int16_t* words(std::int64_t tile) const { return static_cast<const std::int16_t*>(codes(tile)); }
  const double* weights(std::int64_t tile) const { return weights_.data() + tile * kTileRows; }
  std::size_t memory() const { return tile_bytes_ * n_tiles() + weights_.capacity() * sizeof(double); }

 private:
  std::size_t tile_bytes_;
  std::vector<double> weights_;
  AlignedBuffer<char> codes_;
};

// What a thread needs for walks.
struct WalkScratch {
  AlignedBuffer<char> frames;
  AlignedBuffer<double> gained, of_leaf, lost;
  AlignedBuffer<std::uint64_t> violated, violated_levels, ways;
  AlignedBuffer<std::uint8_t> row_violates;
};

class BackgroundWalk {
 public:
  // most_own_places: see compile_background_tree. kept_bytes: what may be kept of the background's ways through the trees, one
  // bit per split and background row; the ways through trees beyond are found again in each call.
  BackgroundWalk(const ForestView& forest, std::shared_ptr<const Encoding> encoding, const std::vector<TreePart>& parts,
                 std::shared_ptr<const EncodedBackground> background, std::int32_t most_own_places, std::size_t kept_bytes,
                 int n_threads);

  bool empty() const { return trees_.empty(); }

  // Adds the attributions to values. The bits do not depend on n_threads, on the other rows, or on the instruction set.
  void explain(const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check) const;

  // For those that walk by themselves.
  const std::vector<BackgroundTree>& trees() const { return trees_; }
  void allocate(WalkScratch& scratch) const;
  // A walk through a tree, but for the row's codes and the sums.
  BackgroundTask task_of(std::int64_t tree, std::int64_t tile, const WalkScratch& scratch) const;
  // The same for trees whose features have their own places, few of them.
  PairWalkTask pairs_task_of(std::int64_t tree, std::int64_t tile, const WalkScratch& scratch) const;

  std::size_t memory() const;

 private:
  class Call;

  void keep_ways(std::size_t kept_bytes, int n_threads);
  void find_ways(const BackgroundTree& tree, std::int64_t tile, std::uint64_t* left) const;
  const std::uint64_t* ways_of(std::int64_t tree, std::int64_t tile, const WalkScratch& scratch) const;

  std::shared_ptr<const Encoding> encoding_;
  std::shared_ptr<const EncodedBackground> background_;
  std::vector<BackgroundTree> trees_;             // without those that attribute nothing
  std::vector<std::int64_t> bundles_;             // bounds of the runs of trees that are summed apart
  std::vector<std::vector<std::uint64_t>> ways_;  // [tree][tile][split][word]; empty where they are not kept
  std::vector<LeafShares> shares_;                // [q][p]
  std::int32_t n_shares_ = 0;                     // values of q, and of p; paths of more features have theirs computed
  std::int32_t max_levels_ = 0, max_distinct_ = 0, max_places_ = 0;
  std::size_t max_splits_ = 0, max_violated_ = 0;
};

}  // namespace fastexplain
