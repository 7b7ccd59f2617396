// Attributions of groups of leaves, tabulated by state (see pattern_plan.h), and rows explained by looking them up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "aligned_buffer.h"
#include "isa/pattern_kernels.h"
#include "tree/encoding.h"
#include "tree/pattern_fill.h"
#include "tree/pattern_plan.h"

namespace fastexplain {

// Codes of rows, as tables need them.
struct PatternCodes {
  const std::int8_t* bytes;   // [tile][column][kTileRows], less 128
  const std::int16_t* words;  // the same; null where no column needs them
  std::size_t tile_codes;     // from one tile to the next
};

// Rows that interventional attributions compare with, of weights that sum to 1.
struct PatternBackground {
  PatternCodes codes;
  std::int64_t n_rows;
  const double* weights;
};

// Tables of some trees' groups. Groups are gone through in segments, which are summed apart. Entries are filled once and kept,
// or filled segment by segment by every call that has rows enough to pay for that.
template <class T>
class PatternTables {
 public:
  PatternTables(std::vector<TreePlan> plans, const Encoding& encoding, const SumLayout& layout);

  // Fills all tables with path-dependent attributions, or with interventional ones. What that took is dropped.
  void keep(int n_threads, const PatternBackground* background = nullptr);
  bool are_kept() const { return tables_.get() != nullptr; }
  // The same for one segment, into `entries`: most_entries() * kChunkLanes numbers.
  void fill(std::size_t segment, GroupFiller<T>& filler, T* entries, const PatternBackground* background = nullptr) const;
  // Of a segment, where tables are kept.
  const T* entries(std::size_t segment) const { return tables_.get() + segments_[segment].first_entry * kChunkLanes<T>; }

  // For those that fill entries of their own, while tables are not kept: what a group is filled from; and the states of a
  // tile's rows in some groups, at most kBatchGroups, [group][kTileRows].
  std::pair<const TreePlan&, const PlannedGroup&> planned(std::size_t group) const;
  void find_states(std::size_t first, std::size_t n_groups, const PatternCodes& codes, std::int64_t tile, int n_rows,
                   std::uint16_t* states) const;

  bool empty() const { return groups_.empty(); }
  bool needs_words() const { return needs_words_; }
  std::size_t n_groups() const { return groups_.size(); }
  std::size_t n_segments() const { return segments_.size(); }
  std::size_t row_chunks() const { return row_chunks_; }
  std::size_t max_segment_steps() const { return max_segment_steps_; }
  std::size_t most_entries() const { return most_entries_; }  // of a segment, in chunks
  std::size_t memory() const;

  // Adds one segment's attributions of n_rows rows, of which every kTileRows have a tile of codes, to `sums`,
  // [row][row_chunks][kChunkLanes]. `index` is scratch: kBatchGroups * kTileRows.
  void sum(std::size_t segment, const T* entries, const PatternCodes& codes, std::int64_t n_rows, T* sums,
           std::uint16_t* index) const;
  // The same of one row, where tables are kept: codes [column] of a byte, less 128, or two where the column needs them;
  // `parts` is scratch: max_segment_steps() + 1.
  void sum_row(std::size_t segment, const std::int16_t* codes, T* sums, std::uint8_t* parts) const;
  // Adds what `sum` has summed to the rows' totals, of the same shape, and clears it. Every row's total is the sum of its
  // segments' in their order, however the work is shared.
  void flush(std::size_t segment, std::int64_t n_rows, T* sums, double* totals) const;

 private:
  struct Segment {
    std::size_t first, last;              // groups
    std::size_t first_entry, n_entries;   // in chunks
    std::uint32_t first_chunk, n_chunks;  // that they add to
  };
  struct Source {
    std::uint32_t plan, group;
  };

  using StateWeights = std::array<double, kMaxStates>;
  std::vector<StateWeights> weigh_states(std::size_t first, std::size_t last, const PatternBackground& background) const;
  void add_group(const TreePlan& plan, const PlannedGroup& planned);
  void sort_groups();
  void cut_into_segments();
  void close_segment(Segment segment);
  bool same_chunks(std::size_t a, std::size_t b) const;

  const std::vector<Column>& columns_;
  const SumLayout& layout_;
  const std::int32_t n_leaf_outputs_;
  std::size_t row_chunks_ = 0, max_segment_steps_ = 0, most_entries_ = 0;
  bool needs_words_ = false;
  std::vector<TreePlan> plans_;  // while tables have to be filled
  std::vector<Source> sources_;  // by group, the same
  std::vector<PatternGroup> groups_;
  std::vector<PatternStep> steps_;
  std::vector<PatternLookup> lookups_;
  std::vector<std::uint32_t> chunks_, segment_chunks_;
  std::vector<Segment> segments_;
  AlignedBuffer<T> tables_;
};

}  // namespace fastexplain
