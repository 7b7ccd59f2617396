// Attributions of groups of leaves, tabulated by state (see pattern_plan.h), and rows explained by looking them up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "isa/pattern_kernels.h"
#include "tree/encoding.h"
#include "tree/pattern_plan.h"

namespace fastexplain {

// How a row's sums are laid out: features that the forest splits on often come first, so that entries touch few chunks.
struct SumLayout {
  std::vector<std::int32_t> slot;  // by position in Encoding::features
  std::int32_t n_chunks = 0;       // of one output
};

// Codes of rows, as tables need them.
struct PatternCodes {
  const std::int8_t* bytes;   // [tile][column][kTileRows], less 128
  const std::int16_t* words;  // the same; null where no column needs them
  std::size_t tile_codes;     // from one tile to the next
};

template <class T>
class PatternTables {
 public:
  // Lays out the tables of some trees' groups; fill makes their entries. The plans must live until then.
  PatternTables(const std::vector<TreePlan>& plans, const Encoding& encoding, const SumLayout& layout);

  // Path-dependent attributions.
  void fill(int n_threads);

  bool empty() const { return groups_.empty(); }
  bool needs_words() const { return needs_words_; }
  std::size_t n_groups() const { return groups_.size(); }
  std::size_t n_segments() const { return segments_.size(); }
  std::size_t row_chunks() const { return row_chunks_; }
  std::size_t max_segment_steps() const { return max_segment_steps_; }
  std::size_t memory() const;

  // Adds one segment's attributions of n_rows rows, of which every kTileRows have a tile of codes, to `sums`,
  // [row][row_chunks][kChunkLanes]. `index` is scratch: kBatchGroups * kTileRows.
  void sum(std::size_t segment, const PatternCodes& codes, std::int64_t n_rows, T* sums, std::uint16_t* index) const;
  // The same of one row: codes [column] of a byte, less 128, or two where the column needs them; `parts` is scratch:
  // max_segment_steps() + 1.
  void sum_row(std::size_t segment, const std::int16_t* codes, T* sums, std::uint8_t* parts) const;
  // Adds what `sum` has summed to the rows' totals, of the same shape, and clears it. Every row's total is the sum of its
  // segments' in their order, however the work is shared.
  void flush(std::size_t segment, std::int64_t n_rows, T* sums, double* totals) const;

 private:
  struct Segment {
    std::size_t first, last;              // groups
    std::uint32_t first_chunk, n_chunks;  // that they add to
  };
  struct Source {
    const TreePlan* plan;
    std::uint32_t group;
  };

  void add_group(const TreePlan& plan, const PlannedGroup& planned);
  void cut_into_segments();
  bool same_chunks(std::size_t a, std::size_t b) const;
  struct FillScratch;
  void fill_group(std::size_t number, FillScratch& scratch);

  const std::vector<Column>& columns_;
  const SumLayout& layout_;
  const std::int32_t n_leaf_outputs_;
  std::size_t row_chunks_ = 0, n_table_chunks_ = 0, max_segment_steps_ = 0;
  bool needs_words_ = false;
  std::vector<Source> sources_;  // by group, until the tables are filled
  std::vector<PatternGroup> groups_;
  std::vector<PatternStep> steps_;
  std::vector<PatternLookup> lookups_;
  std::vector<std::uint32_t> chunks_, segment_chunks_;
  std::vector<Segment> segments_;
  AlignedBuffer<T> tables_;
};

}  // namespace fastexplain
