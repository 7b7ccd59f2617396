#include "tree/pattern_tables.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "fastexplain/parallel.h"
#include "isa/kernels.h"

namespace fastexplain {
namespace {

// Groups that are summed apart: in float32 few enough that rounding does not grow with the number of trees.
constexpr std::size_t kSegmentGroups = 128;
// Chunks of a segment's entries, unless one group has more: they should stay in the second cache level while rows go by.
constexpr std::size_t kSegmentEntries = (1 << 20) / kChunkBytes;

}  // namespace

template <class T>
PatternTables<T>::PatternTables(std::vector<TreePlan> plans, const Encoding& encoding, const SumLayout& layout)
    : columns_(encoding.columns),
      layout_(layout),
      n_leaf_outputs_(encoding.n_leaf_outputs),
      row_chunks_(static_cast<std::size_t>(layout.n_chunks) * encoding.n_outputs),
      plans_(std::move(plans)) {
  for (std::size_t p = 0; p < plans_.size(); ++p) {
    for (std::size_t g = 0; g < plans_[p].groups.size(); ++g) {
      add_group(plans_[p], plans_[p].groups[g]);
      sources_.push_back({static_cast<std::uint32_t>(p), static_cast<std::uint32_t>(g)});
    }
    plans_[p].runs = {};
  }
  sort_groups();
  cut_into_segments();
  for (auto* numbers : {&chunks_, &segment_chunks_}) numbers->shrink_to_fit();
  steps_.shrink_to_fit();
  lookups_.shrink_to_fit();
}

// Groups that add to the same chunks lie together, so that they share passes over the rows; steps in the order of the groups,
// since a row by itself runs through those of a segment.
template <class T>
void PatternTables<T>::sort_groups() {
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
  std::vector<PatternStep> steps;
  for (const auto i : order) {
    groups.push_back(groups_[i]);
    sources.push_back(sources_[i]);
    const auto first = steps_.begin() + groups_[i].first_step;
    groups.back().first_step = static_cast<std::uint32_t>(steps.size());
    steps.insert(steps.end(), first, first + groups_[i].n_byte_steps + groups_[i].n_word_steps);
  }
  groups_ = std::move(groups);
  sources_ = std::move(sources);
  steps_ = std::move(steps);
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
}

template <class T>
void PatternTables<T>::cut_into_segments() {
  Segment segment{};
  for (auto& group : groups_) {
    const std::size_t n_entries = std::size_t{group.n_states} * group.n_chunks;
    const bool full = segment.last - segment.first == kSegmentGroups || segment.n_entries + n_entries > kSegmentEntries;
    if (full && segment.last > segment.first) {
      close_segment(segment);
      segment = {segment.last, segment.last, segment.first_entry + segment.n_entries, 0, 0, 0};
    }
    group.table = segment.n_entries;
    segment.n_entries += n_entries;
    ++segment.last;
  }
  if (segment.last > segment.first) close_segment(segment);
}

template <class T>
void PatternTables<T>::close_segment(Segment segment) {
  std::vector<std::uint32_t> touched;
  std::size_t n_steps = 0;
  for (auto i = segment.first; i < segment.last; ++i) {
    const auto chunk = chunks_.begin() + groups_[i].first_chunk;
    touched.insert(touched.end(), chunk, chunk + groups_[i].n_chunks);
    n_steps += groups_[i].n_byte_steps + groups_[i].n_word_steps;
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  segment.first_chunk = static_cast<std::uint32_t>(segment_chunks_.size());
  segment.n_chunks = static_cast<std::uint32_t>(touched.size());
  segment_chunks_.insert(segment_chunks_.end(), touched.begin(), touched.end());
  max_segment_steps_ = std::max(max_segment_steps_, n_steps);
  most_entries_ = std::max(most_entries_, segment.n_entries);
  segments_.push_back(segment);
}

template <class T>
void PatternTables<T>::keep(int n_threads, const PatternBackground* background) {
  if (!empty()) tables_.resize((segments_.back().first_entry + segments_.back().n_entries) * kChunkLanes<T>);
  std::vector<std::unique_ptr<GroupFiller<T>>> fillers(std::max(n_threads, 1));
  parallel_for(static_cast<std::int64_t>(segments_.size()), n_threads, [&](std::int64_t segment, int worker) {
    auto& filler = fillers[worker];
    if (!filler) filler = std::make_unique<GroupFiller<T>>(layout_);
    fill(segment, *filler, tables_.get() + segments_[segment].first_entry * kChunkLanes<T>, background);
  });
  plans_ = {};
  sources_ = {};
}

template <class T>
void PatternTables<T>::fill(std::size_t segment, GroupFiller<T>& filler, T* entries,
                            const PatternBackground* background) const {
  const auto [first, last] = std::pair(segments_[segment].first, segments_[segment].last);
  std::vector<StateWeights> weights;
  if (background != nullptr) weights = weigh_states(first, last, *background);
  for (auto i = first; i < last; ++i) {
    const auto [plan, group] = planned(i);
    filler.fill(plan, group, background == nullptr ? nullptr : weights[i - first].data(),
                entries + groups_[i].table * kChunkLanes<T>);
  }
}

template <class T>
std::pair<const TreePlan&, const PlannedGroup&> PatternTables<T>::planned(std::size_t group) const {
  const TreePlan& plan = plans_[sources_[group].plan];
  return {plan, plan.groups[sources_[group].group]};
}

template <class T>
void PatternTables<T>::find_states(std::size_t first, std::size_t n_groups, const PatternCodes& codes, std::int64_t tile,
                                   int n_rows, std::uint16_t* states) const {
  const PatternForest forest{groups_.data(), steps_.data(), lookups_.data(), chunks_.data()};
  const std::size_t at = tile * codes.tile_codes;
  active_kernels().patterns.index(
      {&forest, first, n_groups, codes.bytes + at, codes.words == nullptr ? nullptr : codes.words + at, n_rows, states, true});
}

// The weight of the background's rows in each of some groups' states.
template <class T>
auto PatternTables<T>::weigh_states(std::size_t first, std::size_t last, const PatternBackground& background) const
    -> std::vector<StateWeights> {
  // Sums side by side: most rows are in few states, and each would wait for the one before.
  constexpr int kSums = 4;
  // Rows whose codes and weights stay in the first cache level while the groups go by.
  constexpr std::int64_t kBlockTiles = 4;
  std::vector<std::array<StateWeights, kSums>> sums(last - first);
  alignas(64) std::uint16_t states[kTileRows];
  const std::int64_t n_tiles = (background.n_rows + kTileRows - 1) / kTileRows;
  for (std::int64_t block = 0; block < n_tiles; block += kBlockTiles) {
    for (auto group = first; group < last; ++group) {
      auto& of_group = sums[group - first];
      for (auto tile = block; tile < std::min(block + kBlockTiles, n_tiles); ++tile) {
        const double* weights = background.weights + tile * kTileRows;
        const int n = static_cast<int>(std::min<std::int64_t>(kTileRows, background.n_rows - tile * kTileRows));
        find_states(group, 1, background.codes, tile, n, states);
        int row = 0;
        for (; row + kSums <= n; row += kSums)
          for (int i = 0; i < kSums; ++i) of_group[i][states[row + i]] += weights[row + i];
        for (; row < n; ++row) of_group[0][states[row]] += weights[row];
      }
    }
  }
  std::vector<StateWeights> weights(last - first);
  for (std::size_t group = 0; group < weights.size(); ++group)
    for (int state = 0; state < kMaxStates; ++state)
      weights[group][state] = (sums[group][0][state] + sums[group][1][state]) + (sums[group][2][state] + sums[group][3][state]);
  return weights;
}

template <class T>
void PatternTables<T>::sum(std::size_t segment, const T* entries, const PatternCodes& codes, std::int64_t n_rows, T* sums,
                           std::uint16_t* index) const {
  const PatternKernels& kernels = active_kernels().patterns;
  const PatternForest forest{groups_.data(), steps_.data(), lookups_.data(), chunks_.data()};
  const auto [first, last] = std::pair(segments_[segment].first, segments_[segment].last);
  for (std::size_t begin = first, end = begin; begin < last; begin = end) {
    PatternAddTask<T> task{};
    task.chunks = chunks_.data() + groups_[begin].first_chunk;
    task.n_chunks = static_cast<int>(groups_[begin].n_chunks);
    while (end < last && task.n_groups < kBatchGroups && same_chunks(begin, end))
      task.tables[task.n_groups++] = entries + groups_[end++].table * kChunkLanes<T>;
    task.index = index;
    task.row_chunks = row_chunks_;
    for (std::int64_t row = 0, tile = 0; row < n_rows; row += kTileRows, ++tile) {
      task.n_rows = static_cast<int>(std::min<std::int64_t>(kTileRows, n_rows - row));
      task.sums = sums + row * row_chunks_ * kChunkLanes<T>;
      const std::size_t at = tile * codes.tile_codes;
      kernels.index({&forest, begin, end - begin, codes.bytes + at, codes.words == nullptr ? nullptr : codes.words + at,
                     task.n_rows, index, false});
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
  const PatternRowTask<T> task{&forest, first, last - first, codes, entries(segment), sums, parts};
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
  std::size_t bytes = groups_.capacity() * sizeof(PatternGroup) + steps_.capacity() * sizeof(PatternStep) +
                      lookups_.capacity() * sizeof(PatternLookup) + sources_.capacity() * sizeof(Source) +
                      segments_.capacity() * sizeof(Segment) +
                      (chunks_.capacity() + segment_chunks_.capacity()) * sizeof(std::uint32_t);
  if (are_kept()) bytes += (segments_.back().first_entry + segments_.back().n_entries) * kChunkBytes;
  for (const auto& plan : plans_) bytes += plan.fill_bytes();
  return bytes;
}

template class PatternTables<float>;
template class PatternTables<double>;

}  // namespace fastexplain
