// Which trees of a forest go by tables: those that are kept first, while there is room.
#pragma once

#include <cstddef>
#include <vector>

#include "fastexplain/tree/forest.h"
#include "tree/encoding.h"
#include "tree/pattern_fill.h"
#include "tree/pattern_plan.h"
#include "tree/tree_program.h"

namespace fastexplain {

struct ForestPlan {
  std::vector<TreePlan> kept;               // tables that there is room for
  std::vector<TreePlan> passing;            // tables that a call may fill for itself; of whole trees, where some are kept
  std::vector<TreePart> walked;             // what no table serves
  std::vector<TreePart> walked_or_passing;  // what no kept table serves
};

struct ForestPlanOptions {
  std::size_t table_bytes;  // for tables that are kept; half as much for what others are filled from
  int max_states;
  double walk_cost = 1;  // of a node that is left over, in nodes of the quadrature kernel
  bool keep = true;      // else all tables are passing
};

// Features in the order of how many splits they have: entries of most groups then lie in the first chunks.
template <class T>
SumLayout lay_out(const ForestView& forest, const Encoding& encoding);

// Depends on the forest and the options alone.
template <class T>
ForestPlan plan_forest(const ForestView& forest, const Encoding& encoding, const SumLayout& layout,
                       const ForestPlanOptions& options, int n_threads);

}  // namespace fastexplain
