#include "tree/pattern_tables.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "fastexplain/parallel.h"
#include "fastexplain/quadrature.h"
#include "isa/kernels.h"

namespace fastexplain {
namespace {

// Groups that are summed apart: in float32 few enough that rounding does not grow with the number of trees.
constexpr std::size_t kSegmentGroups = 128;

std::size_t padded(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Memory that is kept from one use to the next, and only grows.
class GrowingBuffer {
 public:
  double* of(std::size_t n) {
    if (n > size_) buffer_.resize(size_ = n);
    return buffer_.get();
  }

 private:
  std::size_t size_ = 0;
  AlignedBuffer<double> buffer_;
};

}  // namespace

template <class T>
struct PatternTables<T>::FillScratch {
  GrowingBuffer rows, scratch, entries;
  std::vector<std::uint8_t> patterns;
  std::vector<Quadrature> rules;  // by number of points
};

template <class T>
PatternTables<T>::PatternTables(const std::vector<TreePlan>& plans, const Encoding& encoding, const SumLayout& layout)
    : columns_(encoding.columns),
      layout_(layout),
      n_leaf_outputs_(encoding.n_leaf_outputs),
      row_chunks_(static_cast<std::size_t>(layout.n_chunks) * encoding.n_outputs) {
  for (const auto& plan : plans)
    for (const auto& group : plan.groups) add_group(plan, group);
  // Groups that add to the same chunks lie together, so that they share passes over the rows.
  std::vector<std::size_t> order(groups_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto chunks_of = [&](std::size_t i) {
    const auto* first = chunks_.data() + groups_[i].first_chunk;
    return std::pair(first, first + groups_[i].n_chunks);
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto [a_first, a_last] = chunks_of(a);
    const auto [b_first, b_last] = chunks_of(b);
    return std::lexicographical_compare(a_first, a_last, b_first, b_last);
  });
  std::vector<PatternGroup> groups;
  std::vector<Source> sources;
  for (const auto i : order) {
    groups.push_back(groups_[i]);
    sources.push_back(sources_[i]);
    groups.back().table = n_table_chunks_;
    n_table_chunks_ += std::size_t{groups_[i].n_states} * groups_[i].n_chunks;
  }
  // Steps in the order of the groups: a row by itself runs through those of a segment.
  std::vector<PatternStep> steps;
  for (auto& group : groups) {
    const auto first = steps_.begin() + group.first_step;
    group.first_step = static_cast<std::uint32_t>(steps.size());
    steps.insert(steps.end(), first, first + group.n_byte_steps + group.n_word_steps);
  }
  steps_ = std::move(steps);
  groups_ = std::move(groups);
  sources_ = std::move(sources);
  cut_into_segments();
  steps_.shrink_to_fit();
  groups_.shrink_to_fit();
  lookups_.shrink_to_fit();
  chunks_.shrink_to_fit();
}

// Steps and look-ups of a group, and the chunks that its entries add to.
template <class T>
void PatternTables<T>::add_group(const TreePlan& plan, const PlannedGroup& planned) {
  PatternGroup group{};
  group.n_states = planned.n_states;
  group.first_step = static_cast<std::uint32_t>(steps_.size());
  group.first_lookup = static_cast<std::uint32_t>(lookups_.size());
  group.first_chunk = static_cast<std::uint32_t>(chunks_.size());
  std::vector<PatternStep> word_steps;
  for (std::uint32_t d = 0; d < planned.n_dims; ++d) {
    const PlannedDim& dim = plan.dims[planned.first_dim + d];
    const Column& column = columns_[dim.column];
    const DigitRun* runs = plan.runs.data() + dim.first_run;
    const auto part = [&](std::uint32_t run) { return static_cast<std::uint8_t>(runs[run].digit * dim.stride); };
    const bool bytes = column.cuts.size() <= kMaxByteCuts;
    if (bytes && dim.n_runs > kMaxSteps) {
      PatternLookup lookup{dim.column, column.categorical ? static_cast<std::uint32_t>(column.n_codes()) : 256u, {}};
      for (std::uint32_t code = 0, run = 0; code < 256; ++code) {
        while (run + 1 < dim.n_runs && runs[run].last < static_cast<std::int32_t>(code)) ++run;
        lookup.parts[code] = part(run);
      }
      lookups_.push_back(lookup);
      continue;
    }
    group.base = static_cast<std::uint8_t>(group.base + part(0));
    for (std::uint32_t run = 0; run + 1 < dim.n_runs; ++run) {
      const std::int32_t cut = runs[run].last;
      const auto change = static_cast<std::uint8_t>(part(run + 1) - part(run));
      if (change == 0) continue;
      const PatternStep step{dim.column, static_cast<std::int16_t>(bytes ? cut - kByteOffset : cut), change};
      (bytes ? steps_ : word_steps).push_back(step);
    }
  }
  group.n_byte_steps = static_cast<std::uint32_t>(steps_.size()) - group.first_step;
  group.n_word_steps = static_cast<std::uint32_t>(word_steps.size());
  group.n_lookups = static_cast<std::uint32_t>(lookups_.size()) - group.first_lookup;
  steps_.insert(steps_.end(), word_steps.begin(), word_steps.end());
  needs_words_ |= !word_steps.empty();

  std::vector<std::uint32_t> of_output;
  for (std::uint32_t d = 0; d < planned.n_dims; ++d)
    of_output.push_back(layout_.slot[plan.dims[planned.first_dim + d].feature] / kChunkLanes<T>);
  std::sort(of_output.begin(), of_output.end());
  of_output.erase(std::unique(of_output.begin(), of_output.end()), of_output.end());
  for (std::int32_t k = 0; k < n_leaf_outputs_; ++k)
    for (const auto chunk : of_output)
      chunks_.push_back(chunk + static_cast<std::uint32_t>((n_leaf_outputs_ == 1 ? plan.output : k) * layout_.n_chunks));
  group.n_chunks = static_cast<std::uint32_t>(chunks_.size()) - group.first_chunk;
  groups_.push_back(group);
  sources_.push_back({&plan, static_cast<std::uint32_t>(&planned - plan.groups.data())});
}

template <class T>
void PatternTables<T>::cut_into_segments() {
  for (std::size_t first = 0; first < groups_.size(); first += kSegmentGroups) {
    Segment segment{first, std::min(first + kSegmentGroups, groups_.size()), static_cast<std::uint32_t>(segment_chunks_.size()),
                    0};
    std::vector<std::uint32_t> touched;
    std::size_t n_steps = 0;
    for (auto i = segment.first; i < segment.last; ++i) {
      const auto chunk = chunks_.begin() + groups_[i].first_chunk;
      touched.insert(touched.end(), chunk, chunk + groups_[i].n_chunks);
      n_steps += groups_[i].n_byte_steps + groups_[i].n_word_steps;
    }
    max_segment_steps_ = std::max(max_segment_steps_, n_steps);
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    segment.n_chunks = static_cast<std::uint32_t>(touched.size());
    segment_chunks_.insert(segment_chunks_.end(), touched.begin(), touched.end());
    segments_.push_back(segment);
  }
}

template <class T>
void PatternTables<T>::fill(int n_threads) {
  tables_.resize(n_table_chunks_ * kChunkLanes<T>);
  std::vector<std::unique_ptr<FillScratch>> scratch(std::max(n_threads, 1));
  const auto n_segments = static_cast<std::int64_t>(segments_.size());
  parallel_for(n_segments, n_threads, [&](std::int64_t segment, int worker) {
    auto& mine = scratch[worker];
    if (!mine) {
      mine = std::make_unique<FillScratch>();
      for (std::size_t n = 0; n <= (kMaxConditions + 1) / 2; ++n) mine->rules.push_back(gauss_legendre(std::max<int>(1, n)));
    }
    for (auto i = segments_[segment].first; i < segments_[segment].last; ++i) fill_group(i, *mine);
  });
  sources_ = {};
}

template <class T>
void PatternTables<T>::fill_group(std::size_t number, FillScratch& scratch) {
  const PatternGroup& group = groups_[number];
  const TreePlan& plan = *sources_[number].plan;
  const PlannedGroup& planned = plan.groups[sources_[number].group];
  const PatternKernels& kernels = active_kernels().patterns;
  const std::size_t row_slots = padded(planned.n_dims, 8), n_states = group.n_states;
  const std::size_t of_output = n_states * row_slots;
  double* entries = scratch.entries.of(of_output * n_leaf_outputs_);
  std::fill_n(entries, of_output * n_leaf_outputs_, 0.0);
  for (auto l = planned.first_leaf; l < planned.first_leaf + planned.n_leaves; ++l) {
    const PlannedLeaf& leaf = plan.leaves[l];
    const std::size_t k = leaf.n_conditions, n_patterns = std::size_t{1} << k;
    double shares[kMaxConditions];
    std::uint32_t slots[kMaxConditions];
    for (std::size_t i = 0; i < k; ++i) {
      shares[i] = plan.conditions[leaf.first_condition + i].share;
      slots[i] = plan.conditions[leaf.first_condition + i].dim;
    }
    double* rows = scratch.rows.of(n_patterns * row_slots);
    const Quadrature& rule = scratch.rules[(k + 1) / 2];
    kernels.leaf_patterns({static_cast<int>(k), shares, slots, static_cast<int>(rule.points.size()), rule.points.data(),
                           rule.weights.data(), row_slots, rows, scratch.scratch.of(4 * n_patterns * (k + 1))});
    // The pattern that each state stands for, one column after the other.
    auto& patterns = scratch.patterns;
    patterns.assign(n_states, 0);
    std::size_t known = 1;
    for (std::uint32_t d = 0; d < planned.n_dims; ++d) {
      const PlannedDim& dim = plan.dims[planned.first_dim + d];
      const std::uint8_t* flags = nullptr;
      std::uint8_t bit = 0;
      for (std::size_t i = 0; i < k; ++i)
        if (slots[i] == d) {
          flags = plan.flags.data() + plan.conditions[leaf.first_condition + i].first_flag;
          bit = static_cast<std::uint8_t>(1u << i);
        }
      for (std::size_t digit = dim.n_digits; digit-- > 0;) {
        const std::uint8_t set = flags != nullptr && flags[digit] != 0 ? bit : 0;
        for (std::size_t s = 0; s < known; ++s) patterns[digit * known + s] = patterns[s] | set;
      }
      known *= dim.n_digits;
    }
    for (std::int32_t o = 0; o < n_leaf_outputs_; ++o)
      kernels.spread(
          {patterns.data(), n_states, row_slots, rows, plan.leaf_values[l * n_leaf_outputs_ + o], entries + o * of_output});
  }
  // From the group's own columns to the chunks of its entries.
  T* table = tables_.get() + group.table * kChunkLanes<T>;
  const std::size_t entry = std::size_t{group.n_chunks} * kChunkLanes<T>, chunks_of_output = group.n_chunks / n_leaf_outputs_;
  std::fill_n(table, n_states * entry, T{0});
  for (std::uint32_t d = 0; d < planned.n_dims; ++d) {
    const std::int32_t slot = layout_.slot[plan.dims[planned.first_dim + d].feature];
    const auto chunk = static_cast<std::uint32_t>(slot / kChunkLanes<T>);
    const std::uint32_t base = chunks_[group.first_chunk] / layout_.n_chunks * layout_.n_chunks;
    std::size_t c = 0;
    while (chunks_[group.first_chunk + c] - base != chunk) ++c;
    for (std::int32_t o = 0; o < n_leaf_outputs_; ++o) {
      const double* from = entries + o * of_output + d;
      T* to = table + (o * chunks_of_output + c) * kChunkLanes<T> + slot % kChunkLanes<T>;
      for (std::size_t state = 0; state < n_states; ++state) to[state * entry] = static_cast<T>(from[state * row_slots]);
    }
  }
}

template <class T>
void PatternTables<T>::sum(std::size_t segment, const PatternCodes& codes, std::int64_t n_rows, T* sums,
                           std::uint16_t* index) const {
  const PatternKernels& kernels = active_kernels().patterns;
  const PatternForest forest{groups_.data(), steps_.data(), lookups_.data(), chunks_.data()};
  const auto [first, last] = std::pair(segments_[segment].first, segments_[segment].last);
  for (std::size_t begin = first, end = begin; begin < last; begin = end) {
    PatternAddTask<T> task{};
    task.chunks = chunks_.data() + groups_[begin].first_chunk;
    task.n_chunks = static_cast<int>(groups_[begin].n_chunks);
    while (end < last && task.n_groups < kBatchGroups && same_chunks(begin, end))
      task.tables[task.n_groups++] = tables_.get() + groups_[end++].table * kChunkLanes<T>;
    task.index = index;
    task.row_chunks = row_chunks_;
    for (std::int64_t row = 0, tile = 0; row < n_rows; row += kTileRows, ++tile) {
      task.n_rows = static_cast<int>(std::min<std::int64_t>(kTileRows, n_rows - row));
      task.sums = sums + row * row_chunks_ * kChunkLanes<T>;
      const std::size_t at = tile * codes.tile_codes;
      kernels.index({&forest, begin, end - begin, codes.bytes + at, codes.words == nullptr ? nullptr : codes.words + at,
                     task.n_rows, index});
      if constexpr (sizeof(T) == sizeof(float))
        kernels.add_f32(task);
      else
        kernels.add_f64(task);
    }
  }
}

template <class T>
void PatternTables<T>::sum_row(std::size_t segment, const std::int16_t* codes, T* sums, std::uint8_t* parts) const {
  const PatternKernels& kernels = active_kernels().patterns;
  const PatternForest forest{groups_.data(), steps_.data(), lookups_.data(), chunks_.data()};
  const auto [first, last] = std::pair(segments_[segment].first, segments_[segment].last);
  const PatternRowTask<T> task{&forest, first, last - first, codes, tables_.get(), sums, parts};
  if constexpr (sizeof(T) == sizeof(float))
    kernels.row_f32(task);
  else
    kernels.row_f64(task);
}

template <class T>
void PatternTables<T>::flush(std::size_t segment, std::int64_t n_rows, T* sums, double* totals) const {
  const PatternKernels& kernels = active_kernels().patterns;
  const PatternFlushTask<T> task{
      sums, totals, n_rows, row_chunks_, segment_chunks_.data() + segments_[segment].first_chunk, segments_[segment].n_chunks};
  if constexpr (sizeof(T) == sizeof(float))
    kernels.flush_f32(task);
  else
    kernels.flush_f64(task);
}

template <class T>
bool PatternTables<T>::same_chunks(std::size_t a, std::size_t b) const {
  const auto *of_a = chunks_.data() + groups_[a].first_chunk, *of_b = chunks_.data() + groups_[b].first_chunk;
  return std::equal(of_a, of_a + groups_[a].n_chunks, of_b, of_b + groups_[b].n_chunks);
}

template <class T>
std::size_t PatternTables<T>::memory() const {
  return n_table_chunks_ * kChunkBytes + groups_.capacity() * sizeof(PatternGroup) + steps_.capacity() * sizeof(PatternStep) +
         lookups_.capacity() * sizeof(PatternLookup) +
         (chunks_.capacity() + segment_chunks_.capacity()) * sizeof(std::uint32_t);
}

template class PatternTables<float>;
template class PatternTables<double>;

}  // namespace fastexplain
