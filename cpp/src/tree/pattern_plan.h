// How trees are cut into groups of leaves whose attributions fit into tables.
//
// What a row receives from the leaves of a subtree depends on few facts about it: for each column that decides on the way to
// these leaves, which of a handful of intervals (or sets of categories) its value lies in. A column's facts are numbered, its
// digits; the digits of all columns, with mixed radices, number the row's state. A group is a subtree with at most kMaxStates
// states: its table has one entry of attributions per state, and a row costs one look-up per group whatever is in it.
//
// The digits of a column: one for every value that the path to the group excludes, then one for each interval between the
// group's own cuts. A missing value is one of these, or a digit of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "fastexplain/tree/forest.h"
#include "isa/pattern_kernels.h"
#include "tree/code_set.h"
#include "tree/encoding.h"

namespace fastexplain {

// A state is numbered by a byte.
inline constexpr int kMaxStates = 256;

// Chunks of 64 bytes in an entry: more would not be reached by the 16 bits of an index.
inline constexpr std::size_t kMaxEntryChunks = 31;

// A column with more runs of codes than this is looked up, not stepped through.
inline constexpr std::size_t kMaxSteps = 12;

// Codes up to and including `last`, and above those of the run before it, have this digit. A missing value's code is kMissing.
struct DigitRun {
  static constexpr std::int32_t kMissing = INT32_MAX;
  std::int32_t last;
  std::uint8_t digit;
};

// A column that decides in a group.
struct PlannedDim {
  std::uint32_t column;
  std::int32_t feature;  // position in Encoding::features
  std::uint32_t n_digits, stride;
  std::uint32_t first_run, n_runs;
};

// What a leaf's path asks of one column: its share of the training rows, and the digits that satisfy it.
struct PlannedCondition {
  double share;
  std::uint32_t dim;  // within the group
  std::uint32_t first_flag;
};

struct PlannedLeaf {
  std::int64_t node;
  std::uint32_t first_condition, n_conditions;
};

struct PlannedGroup {
  std::uint32_t n_states;
  std::uint32_t first_dim, n_dims;
  std::uint32_t first_leaf, n_leaves;
};

// The groups of one tree, and what the quadrature kernel is left with.
struct TreePlan {
  std::vector<PlannedGroup> groups;
  std::vector<PlannedDim> dims;
  std::vector<DigitRun> runs;
  std::vector<PlannedLeaf> leaves;
  std::vector<PlannedCondition> conditions;
  std::vector<std::uint8_t> flags;  // [condition][digit]
  std::vector<double> leaf_values;  // [leaf][leaf output], less the tree's expectation
  // Roots of the subtrees that tables take over, where they do not take the whole tree.
  std::vector<std::int64_t> cut_off;
  bool whole = false;
  std::size_t bytes = 0;  // that the tables take, with the steps and look-ups to them
  // By the cost model: what a row saves beside the quadrature kernel, and what filling the tables takes.
  double saving = 0, fill_cost = 0;
  std::int32_t n_leaf_outputs = 1;
  std::int32_t output = 0;  // that the tree adds to, if it has one leaf output

  bool empty() const { return groups.empty(); }
  // What tables are filled from.
  std::size_t fill_bytes() const;
};

struct PlanOptions {
  int max_states = kMaxStates;
  double row_lanes = 8;      // rows that the quadrature kernel works on at a time
  double block_rows = 4096;  // rows that are explained from one reading of the tables
};

// Cuts the tree where the modelled cost per row is least: a group costs its look-up, a node that is left to the quadrature
// kernel its arithmetic. Depends on the forest alone. Empty where tables do not help.
class TreePlanner {
 public:
  // chunk: of an entry, by position in Encoding::features.
  TreePlanner(const ForestView& forest, const Encoding& encoding, const std::vector<std::int32_t>& chunk,
              const PlanOptions& options);

  TreePlan plan(std::int64_t tree);

 private:
  // What the path so far lets through.
  struct ColumnPath {
    bool restricted = false;
    bool missing = true;
    std::int32_t above = -1, at_most = 0;  // codes, of a numerical column; a categorical one's are in allowed_
    double share = 1.0;
  };
  // An inner node that may be part of a group, and the codes of its column that come to it.
  struct InnerNode {
    std::uint32_t column;
    std::int32_t cut;
    std::int32_t above, at_most;
    bool missing, missing_left;
    std::uint32_t reach;  // of a categorical node: where in reach_ its codes are
    std::int32_t next;    // while digits are found: another one of the column, or -1
  };
  struct Undo {
    std::uint32_t column;
    ColumnPath before;  // of a categorical column, its codes are on top of allowed_before_
  };
  struct Dim {
    std::uint32_t column;
    std::uint32_t n_digits;
    std::vector<DigitRun> runs;
  };

  bool survey(std::int64_t tree);
  double node_cost();
  void weigh();
  void weigh_group(std::int64_t node);
  void meet(std::int64_t node);
  void emit_leaves(std::int64_t node);
  void emit_groups();
  void emit_group(std::int64_t node);
  void emit_leaf(std::int64_t node);
  int find_dims(std::int64_t node);
  void numerical_digits(Dim& dim, std::int32_t first);
  void categorical_digits(Dim& dim, std::int32_t first);
  std::size_t entry_chunks() const;
  std::size_t index_bytes(const Dim& dim) const;
  double group_cost(int n_states) const;
  int path_states() const;
  bool is_unfit(std::int64_t node) const;
  Undo take(std::int64_t node, int side);
  void put_back(const Undo& undo);
  CodeSet goes_left(std::int64_t node) const;

  std::int64_t child(std::int64_t node, int side) const {
    return root_ + (side == 0 ? forest_.children_left : forest_.children_right)[node];
  }
  std::size_t local(std::int64_t node) const { return static_cast<std::size_t>(node - root_); }
  std::uint32_t column_of(std::int64_t node) const { return column_[local(node)]; }

  const ForestView& forest_;
  const Encoding& encoding_;
  const std::vector<Column>& columns_;
  std::vector<std::int32_t> chunk_of_column_;
  const PlanOptions options_;
  double node_cost_ = 0;

  std::int64_t root_ = 0;
  TreePlan plan_;
  std::vector<std::int64_t> preorder_;
  std::vector<std::int32_t> n_leaves_;  // by node
  std::vector<std::int32_t> cut_;       // by inner node: its threshold's number, or its place in left_codes_
  std::vector<CodeSet> left_codes_;     // by categorical node
  std::vector<std::size_t> depth_;      // by node
  std::vector<std::uint32_t> column_;   // by inner node
  std::vector<double> share_;           // by node: of its parent's training rows
  std::vector<double> group_cost_, table_cost_, walk_cost_;
  std::vector<bool> has_tables_;           // by node: whether tables take over anything below
  std::vector<ColumnPath> path_;           // by column
  std::vector<CodeSet> allowed_;           // by column: codes that the path lets through, of a categorical one
  std::vector<CodeSet> allowed_before_;    // what the categorical nodes of the path have changed
  std::vector<std::uint32_t> restricted_;  // columns, in the order of the path
  std::vector<std::int32_t> column_of_feature_, n_on_path_;
  std::vector<InnerNode> inner_;                             // that weigh() has met, depth first
  std::vector<std::pair<std::int32_t, std::int32_t>> span_;  // by node: of inner_, in its subtree
  std::vector<CodeSet> reach_;
  std::vector<std::int32_t> first_inner_;       // by column: of the subtree at hand, or -1
  std::vector<std::uint32_t> columns_at_hand_;  // that are split on there
  std::vector<Dim> dims_;
  std::size_t n_dims_ = 0;
  std::vector<double> expectation_;
  std::vector<std::int32_t> cuts_;  // scratch
  std::vector<CodeSet> kinds_;      // scratch
  std::vector<std::int32_t> dim_of_column_;
};

}  // namespace fastexplain
