// Interventional values of a transformed output by tables, for calls of many rows.
//
// What a group of leaves attributes to a row depends on the row's state and the background row's (see pattern_plan.h), and on
// what the pair counts for (see pair_weights.h). So a row's weights are summed by the states of the background rows, of which
// there are few, and each sum is multiplied by an entry of a table of all pairs of states. These tables are large: a call fills
// them for itself, some groups at a time, and explains a turn of rows by them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "aligned_buffer.h"
#include "fastexplain/parallel.h"
#include "fastexplain/tree/views.h"
#include "tree/background_walk.h"
#include "tree/encoding.h"
#include "tree/forest_plan.h"
#include "tree/pair_weights.h"
#include "tree/pattern_tables.h"

namespace fastexplain {

class PairTables {
 public:
  PairTables(std::vector<TreePlan> plans, std::shared_ptr<const Encoding> encoding,
             std::shared_ptr<const EncodedBackground> background, SumLayout layout);

  // See TreeShap::turn.
  std::int64_t turn(std::int64_t n_rows_of_call) const;

  // Adds the attributions to values. The bits do not depend on n_threads, on the other rows, or on the instruction set.
  void explain(const RowsView& rows, const PairWeights& pairs, const ValuesView& values, int n_threads,
               const InterruptCheck& check) const;

  std::size_t memory() const;

 private:
  class Call;
  // A group's table, while a call works with it.
  struct Table;

  // Sizes of a group's table.
  struct Group {
    std::uint32_t n_states, n_others;  // the latter: that background rows are in
    std::uint32_t first_feature, n_features;
    std::size_t n_entries() const { return std::size_t{n_states} * n_others; }
  };
  // Groups whose tables fit the second cache level together.
  struct Batch {
    std::size_t first, last;
    std::size_t n_entries;
  };

  void add_groups();
  void cut_into_batches();
  std::int64_t least_rows() const;
  void sort_background(std::size_t group, Table& table) const;

  std::shared_ptr<const Encoding> encoding_;
  std::shared_ptr<const EncodedBackground> background_;
  SumLayout layout_;
  PatternTables<double> patterns_;
  AlignedBuffer<std::int8_t> background_bytes_;
  std::vector<Group> groups_;
  std::vector<std::int32_t> features_;  // of groups, by lane
  std::vector<Batch> batches_;
  std::uint32_t most_others_ = 0;
  std::int64_t turn_rows_ = 0;   // for which tables are filled once; 0: the background is too large
  std::int64_t least_rows_ = 0;  // of a call that they save more than filling them takes
};

}  // namespace fastexplain
