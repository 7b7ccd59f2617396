// Small trees and what a plan replaces in them, as isa/replace_body.inc takes them.
#pragma once

#include <cstdint>
#include <vector>

#include "fastexplain/permutation/replacement_predictor.h"
#include "isa/replace_kernels.h"

namespace fastexplain {

struct WordProgram {
  std::vector<WordTree> trees;
  std::vector<WordSplit> splits;
  std::vector<WordGroup> groups;
  std::vector<WordMember> members;
  std::vector<WordBlend> blends;
  std::vector<WordPass> passes;
  std::vector<std::int32_t> value_at;  // of each feature, -1 where it is not replaced
  std::int32_t n_values = 0, most_jobs = 0;
  std::int32_t most_splits = 0, most_steps = 0;  // of a tree; of a group, blends or passes
};

// Numbers the values that the plan replaces. column_of: of each feature, -1 where no tree splits on it.
void number_values(const ReplacementPlan& plan, const std::vector<std::int32_t>& column_of, WordProgram& out);

// Its groups. missing: features of which some row has no value.
void add_groups(const ReplacementPlan& plan, const std::vector<std::uint8_t>& missing, WordProgram& out);

}  // namespace fastexplain
