// The entries of tables: what the leaves of a group attribute to a row, for every state that it may be in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "fastexplain/quadrature.h"
#include "isa/pattern_kernels.h"
#include "tree/pattern_plan.h"

namespace fastexplain {

// How a row's sums are laid out: features that the forest splits on often come first, so that entries touch few chunks.
struct SumLayout {
  std::vector<std::int32_t> slot;  // by position in Encoding::features
  std::int32_t n_chunks = 0;       // of one output
};

// Fills one table after the other. Not for several threads at a time.
template <class T>
class GroupFiller {
 public:
  explicit GroupFiller(const SumLayout& layout);

  // Writes [state][output][chunk of the group's columns][kChunkLanes]: path-dependent attributions; or, with the weight of a
  // background's rows by state, interventional ones.
  void fill(const TreePlan& plan, const PlannedGroup& group, const double* background, T* table);

 private:
  void arrange(const TreePlan& plan, const PlannedGroup& group);
  void index_states(const TreePlan& plan, const PlannedGroup& group, const PlannedLeaf& leaf, std::uint16_t* index);
  void add_leaves(const TreePlan& plan, const PlannedGroup& group, const double* background, std::uint32_t first,
                  std::uint32_t last);
  void leaf_rows(const TreePlan& plan, std::uint32_t number, const double* background, const std::uint16_t* index,
                 double* rows);

  const SumLayout& layout_;
  const PatternFactors* factors(int n_conditions);

  std::vector<Quadrature> rules_;                       // by number of points
  std::vector<AlignedBuffer<PatternFactors>> factors_;  // by number of conditions, once they are needed; by point
  // Of the group at hand: columns in the order of their slots.
  std::vector<std::uint32_t> order_, lane_;  // the latter by column
  std::vector<std::uint32_t> masks_;         // by chunk, see PatternPlaceTask
  std::vector<std::uint32_t> weighted_;      // states that the background has rows in
  // Of the leaf at hand, by column: the digits that satisfy it, and what they add to the index.
  std::vector<const std::uint8_t*> flags_of_;
  std::vector<std::uint16_t> part_of_;
  std::size_t row_lanes_ = 0, of_output_ = 0;
  AlignedBuffer<double> entries_, rows_;
  std::size_t n_entries_ = 0, n_rows_ = 0;  // that there is room for
  AlignedBuffer<std::uint16_t> index_;      // [leaf][kTileRows]
};

}  // namespace fastexplain
