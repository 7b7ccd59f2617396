#include "tree/pattern_fill.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "isa/kernels.h"

namespace fastexplain {
namespace {

static_assert(sizeof(double) == kIndexUnit);
static_assert(kMaxStates <= kTileRows, "the states of a group are summed as the rows of a tile are");

void make_room(AlignedBuffer<double>& buffer, std::size_t& room, std::size_t n) {
  if (n > room) buffer.resize(room = n);
}

double power(double x, int n) {
  double product = 1;
  for (int i = 0; i < n; ++i) product *= x;
  return product;
}

}  // namespace

template <class T>
GroupFiller<T>::GroupFiller(const SumLayout& layout)
    : layout_(layout), factors_(kMaxConditions + 1), index_(kBatchGroups * kTileRows) {
  for (int n = 0; n <= (kMaxConditions + 1) / 2; ++n) rules_.push_back(gauss_legendre(std::max(1, n)));
}

template <class T>
void GroupFiller<T>::fill(const TreePlan& plan, const PlannedGroup& group, const double* background, T* table) {
  arrange(plan, group);
  weighted_.clear();
  for (std::uint32_t state = 0; background != nullptr && state < group.n_states; ++state)
    if (background[state] != 0) weighted_.push_back(state);
  const std::size_t n_outputs = plan.n_leaf_outputs;
  make_room(entries_, n_entries_, of_output_ * n_outputs + kOctet);
  std::fill_n(entries_.get(), of_output_ * n_outputs, 0.0);
  const std::uint32_t last = group.first_leaf + group.n_leaves;
  for (auto leaf = group.first_leaf; leaf < last; leaf += kBatchGroups)
    add_leaves(plan, group, background, leaf, std::min<std::uint32_t>(leaf + kBatchGroups, last));
  const PatternKernels& kernels = active_kernels().patterns;
  const std::size_t output_lanes = masks_.size() * kChunkLanes<T>;
  for (std::size_t o = 0; o < n_outputs; ++o) {
    const PatternPlaceTask<T> task{
        entries_.get() + o * of_output_, group.n_states,          row_lanes_, masks_.data(), masks_.size(),
        table + o * output_lanes,        output_lanes * n_outputs};
    if constexpr (sizeof(T) == sizeof(float))
      kernels.place_f32(task);
    else
      kernels.place_f64(task);
  }
}

// Lanes of the group's columns, in the order of their slots, and the chunks that these lie in.
template <class T>
void GroupFiller<T>::arrange(const TreePlan& plan, const PlannedGroup& group) {
  const PlannedDim* dims = plan.dims.data() + group.first_dim;
  row_lanes_ = (group.n_dims + kOctet - 1) / kOctet * kOctet;
  of_output_ = group.n_states * row_lanes_;
  lane_.assign(group.n_dims, 0);
  std::vector<std::uint32_t>& order = order_;
  order.resize(group.n_dims);
  std::iota(order.begin(), order.end(), 0u);
  const auto slot = [&](std::uint32_t d) { return static_cast<std::uint32_t>(layout_.slot[dims[d].feature]); };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return slot(a) < slot(b); });
  masks_.clear();
  std::uint32_t chunk = 0;
  for (std::uint32_t lane = 0; lane < group.n_dims; ++lane) {
    const std::uint32_t s = slot(order[lane]);
    if (masks_.empty() || s / kChunkLanes<T> != chunk) masks_.push_back(0);
    chunk = s / kChunkLanes<T>;
    masks_.back() |= 1u << s % kChunkLanes<T>;
    lane_[order[lane]] = lane;
  }
}

// Adds the attributions of some leaves to every state's entry.
template <class T>
void GroupFiller<T>::add_leaves(const TreePlan& plan, const PlannedGroup& group, const double* background, std::uint32_t first,
                                std::uint32_t last) {
  const std::size_t n_outputs = plan.n_leaf_outputs, most_rows = (std::size_t{1} << kMaxConditions) * row_lanes_;
  make_room(rows_, n_rows_, most_rows * n_outputs * kBatchGroups);
  const double* rows[kBatchGroups];
  std::size_t n_patterns[kBatchGroups];
  double* room = rows_.get();
  for (auto l = first; l < last; ++l) {
    std::uint16_t* index = index_.get() + (l - first) * kTileRows;
    index_states(plan, group, plan.leaves[l], index);
    leaf_rows(plan, l, background, index, room);
    rows[l - first] = room;
    n_patterns[l - first] = std::size_t{1} << plan.leaves[l].n_conditions;
    room += n_patterns[l - first] * row_lanes_ * n_outputs;
  }
  std::uint32_t chunks[kMaxStates / kOctet];
  std::iota(chunks, chunks + row_lanes_ / kOctet, 0u);
  for (std::size_t o = 0; o < n_outputs; ++o) {
    PatternAddTask<double> task{};
    for (; task.n_groups < static_cast<int>(last - first); ++task.n_groups)
      task.tables[task.n_groups] = rows[task.n_groups] + o * n_patterns[task.n_groups] * row_lanes_;
    task.index = index_.get();
    task.chunks = chunks;
    task.n_chunks = static_cast<int>(row_lanes_ / kOctet);
    task.n_rows = static_cast<int>(group.n_states);
    task.sums = entries_.get() + o * of_output_;
    task.row_chunks = row_lanes_ / kOctet;
    active_kernels().patterns.add_f64(task);
  }
}

// Attributions of one leaf by pattern: [output][pattern][row_lanes_].
template <class T>
void GroupFiller<T>::leaf_rows(const TreePlan& plan, std::uint32_t number, const double* background, const std::uint16_t* index,
                               double* rows) {
  const PlannedLeaf& leaf = plan.leaves[number];
  const PlannedCondition* conditions = plan.conditions.data() + leaf.first_condition;
  const int n_conditions = static_cast<int>(leaf.n_conditions);
  double shares[kMaxConditions];
  std::uint32_t lanes[kMaxConditions];
  for (int i = 0; i < n_conditions; ++i) {
    shares[i] = conditions[i].share;
    lanes[i] = lane_[conditions[i].dim];
  }
  const Quadrature& rule = rules_[(n_conditions + 1) / 2];
  const int n_points = static_cast<int>(rule.points.size());
  const double* values = plan.leaf_values.data() + std::size_t{number} * plan.n_leaf_outputs;
  if (background == nullptr)
    return active_kernels().patterns.leaf_patterns({n_conditions, shares, lanes, n_points, rule.points.data(),
                                                    rule.weights.data(), row_lanes_, plan.n_leaf_outputs, values, rows});
  // By pattern, then close together: a division per state would take longer than all the rest.
  const std::size_t n_patterns = std::size_t{1} << n_conditions, stride = row_lanes_ / kOctet;
  double of_pattern[kMaxStates / kOctet << kMaxConditions];
  std::fill_n(of_pattern, n_patterns * stride, 0.0);
  for (const auto state : weighted_) of_pattern[index[state] / kOctet] += background[state];
  alignas(64) double violating[PatternFactors::kMost] = {};
  for (std::size_t pattern = 1; pattern < n_patterns; ++pattern)
    violating[pattern] = of_pattern[(n_patterns - 1 - pattern) * stride];
  const double satisfying = of_pattern[(n_patterns - 1) * stride];
  active_kernels().patterns.background_patterns({n_conditions, violating, satisfying, lanes, n_points, factors(n_conditions),
                                                 row_lanes_, plan.n_leaf_outputs, values, rows});
}

template <class T>
const PatternFactors* GroupFiller<T>::factors(int n_conditions) {
  auto& buffer = factors_[n_conditions];
  if (buffer.get() != nullptr) return buffer.get();
  const Quadrature& rule = rules_[(n_conditions + 1) / 2];
  buffer.resize(rule.points.size());
  for (std::size_t q = 0; q < rule.points.size(); ++q) {
    const double t = rule.points[q], w = rule.weights[q];
    for (unsigned pattern = 0; pattern < PatternFactors::kMost; ++pattern) {
      const int inside = std::popcount(pattern), outside = n_conditions - inside;
      PatternFactors& to = buffer.get()[q];
      to.violated[pattern] = power(t, inside);
      to.own[pattern] = outside >= 0 ? w / t * power(1 - t, outside) : 0;
      to.without[pattern] = outside > 0 ? w / t * power(1 - t, outside - 1) : 0;
      to.lost[pattern] = outside > 0 ? w * power(1 - t, outside - 1) : 0;
    }
  }
  return buffer.get();
}

// The row of patterns that each state stands for, one column after the other, in units of kIndexUnit.
template <class T>
void GroupFiller<T>::index_states(const TreePlan& plan, const PlannedGroup& group, const PlannedLeaf& leaf,
                                  std::uint16_t* index) {
  flags_of_.assign(group.n_dims, nullptr);
  part_of_.resize(group.n_dims);
  for (std::uint32_t i = 0; i < leaf.n_conditions; ++i) {
    const PlannedCondition& condition = plan.conditions[leaf.first_condition + i];
    flags_of_[condition.dim] = plan.flags.data() + condition.first_flag;
    part_of_[condition.dim] = static_cast<std::uint16_t>((std::size_t{1} << i) * row_lanes_);
  }
  index[0] = 0;
  std::size_t known = 1;
  for (std::uint32_t d = 0; d < group.n_dims; ++d) {
    const std::uint32_t n_digits = plan.dims[group.first_dim + d].n_digits;
    const std::uint8_t* flags = flags_of_[d];
    for (std::uint32_t digit = n_digits; digit-- > 0;) {
      const std::uint16_t more = flags != nullptr && flags[digit] != 0 ? part_of_[d] : 0;
      for (std::size_t s = 0; s < known; ++s) index[digit * known + s] = static_cast<std::uint16_t>(index[s] + more);
    }
    known *= n_digits;
  }
}

template class GroupFiller<float>;
template class GroupFiller<double>;

}  // namespace fastexplain
