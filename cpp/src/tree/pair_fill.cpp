#include "tree/pair_fill.h"

#include <algorithm>

#include "isa/kernels.h"

namespace fastexplain {
namespace {

static_assert(kMaxConditions <= kOctet && kMaxStates <= 1 << kOctet, "a column with two digits has a lane");
static_assert(kMaxConditions <= 8, "a pattern is a byte");

// (p - 1)! q! / (p + q)!
double share(int p, int q) {
  double share = p > 0 ? 1.0 / p : 0.0;
  for (int i = 1; i <= q; ++i) share *= static_cast<double>(i) / (p + i);
  return share;
}

}  // namespace

std::vector<std::int32_t> pair_features(const TreePlan& plan, const PlannedGroup& group) {
  std::vector<std::int32_t> features;
  for (std::uint32_t d = 0; d < group.n_dims; ++d) {
    const PlannedDim& dim = plan.dims[group.first_dim + d];
    if (dim.n_digits > 1) features.push_back(dim.feature);
  }
  return features;
}

PairFiller::PairFiller() {
  for (int p = 0; p <= kOctet; ++p)
    for (int q = 0; q <= kOctet; ++q) shares_.push_back(share(p, q));
}

void PairFiller::fill(const TreePlan& plan, const PlannedGroup& group, const std::vector<std::uint16_t>& others,
                      double* entries) {
  std::fill_n(entries, group.n_states * others.size() * kOctet, 0.0);
  // A column of one digit has no lane: it is violated by all rows, which then do not meet in the leaf, or by none.
  lane_.assign(group.n_dims, 0);
  std::uint8_t n_lanes = 0;
  for (std::uint32_t d = 0; d < group.n_dims; ++d)
    if (plan.dims[group.first_dim + d].n_digits > 1) lane_[d] = n_lanes++;
  for (auto l = group.first_leaf; l < group.first_leaf + group.n_leaves; ++l) {
    const PlannedLeaf& leaf = plan.leaves[l];
    const double value = plan.leaf_values[l];
    if (value == 0) continue;
    find_patterns(plan, group, leaf);
    other_patterns_.clear();
    for (const auto state : others) other_patterns_.push_back(patterns_[state]);
    rows_.sort(patterns_, 1u << leaf.n_conditions);
    others_.sort(other_patterns_, 1u << leaf.n_conditions);
    std::uint8_t lanes[kMaxConditions];
    for (std::uint32_t i = 0; i < leaf.n_conditions; ++i) lanes[i] = lane_[plan.conditions[leaf.first_condition + i].dim];
    active_kernels().pairs.add_leaf({static_cast<int>(leaf.n_conditions),
                                     lanes,
                                     value,
                                     shares_.data(),
                                     {rows_.numbers.data(), rows_.bounds.data()},
                                     {others_.numbers.data(), others_.bounds.data()},
                                     others.size(),
                                     entries});
  }
}

void PairFiller::Buckets::sort(const std::vector<std::uint8_t>& patterns, std::uint32_t n_patterns) {
  std::fill_n(bounds.begin(), n_patterns + 1, std::uint16_t{0});
  for (const auto pattern : patterns) ++bounds[pattern + 1];
  for (std::uint32_t p = 0; p < n_patterns; ++p) bounds[p + 1] = static_cast<std::uint16_t>(bounds[p + 1] + bounds[p]);
  numbers.resize(patterns.size());
  for (std::size_t i = 0; i < patterns.size(); ++i) numbers[bounds[patterns[i]]++] = static_cast<std::uint16_t>(i);
  for (std::uint32_t p = n_patterns; p > 0; --p) bounds[p] = bounds[p - 1];
  bounds[0] = 0;
}

// Which conditions of the leaf each state violates, one column after the other.
void PairFiller::find_patterns(const TreePlan& plan, const PlannedGroup& group, const PlannedLeaf& leaf) {
  flags_of_.assign(group.n_dims, nullptr);
  bit_of_.resize(group.n_dims);
  for (std::uint32_t i = 0; i < leaf.n_conditions; ++i) {
    const PlannedCondition& condition = plan.conditions[leaf.first_condition + i];
    flags_of_[condition.dim] = plan.flags.data() + condition.first_flag;
    bit_of_[condition.dim] = static_cast<std::uint8_t>(1u << i);
  }
  patterns_.resize(group.n_states);
  patterns_[0] = 0;
  std::size_t known = 1;
  for (std::uint32_t d = 0; d < group.n_dims; ++d) {
    const std::uint32_t n_digits = plan.dims[group.first_dim + d].n_digits;
    const std::uint8_t* flags = flags_of_[d];
    for (std::uint32_t digit = n_digits; digit-- > 0;) {
      const std::uint8_t more = flags != nullptr && flags[digit] == 0 ? bit_of_[d] : 0;
      for (std::size_t s = 0; s < known; ++s) patterns_[digit * known + s] = static_cast<std::uint8_t>(patterns_[s] | more);
    }
    known *= n_digits;
  }
}

}  // namespace fastexplain
