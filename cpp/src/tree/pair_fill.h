// The entries of tables of pairs: what the leaves of a group attribute to a row and a background row, for every state that the
// one and the other may be in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "isa/pair_kernels.h"
#include "tree/pattern_plan.h"

namespace fastexplain {

// The features of a group, by lane of its entries: those of columns that tell anything apart.
std::vector<std::int32_t> pair_features(const TreePlan& plan, const PlannedGroup& group);

// Fills one table after the other. Not for several threads at a time.
class PairFiller {
 public:
  PairFiller();

  // Writes [state][number in others][kOctet], where others are the states that background rows are in.
  void fill(const TreePlan& plan, const PlannedGroup& group, const std::vector<std::uint16_t>& others, double* entries);

 private:
  // Numbers sorted by their patterns.
  struct Buckets {
    std::vector<std::uint16_t> numbers;
    std::array<std::uint16_t, (std::size_t{1} << kMaxConditions) + 1> bounds;

    void sort(const std::vector<std::uint8_t>& patterns, std::uint32_t n_patterns);
  };

  void find_patterns(const TreePlan& plan, const PlannedGroup& group, const PlannedLeaf& leaf);

  std::vector<double> shares_;      // see PairLeafTask
  std::vector<std::uint8_t> lane_;  // by column of the group
  // Of the leaf at hand: by column, the digits that satisfy it (null: all), and its bit; by state, what is violated.
  std::vector<const std::uint8_t*> flags_of_;
  std::vector<std::uint8_t> bit_of_;
  std::vector<std::uint8_t> patterns_, other_patterns_;
  Buckets rows_, others_;
};

}  // namespace fastexplain
