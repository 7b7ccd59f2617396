#include "tree/quadrature_shap.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "aligned_buffer.h"
#include "fastexplain/quadrature.h"
#include "isa/kernels.h"

namespace fastexplain {
namespace {

// Tiles that go through a tree before the next tree does: all but the first find the tree's program in the cache.
constexpr std::int64_t kMaxBlockTiles = 4;
// What the accumulators and codes of a block may take, so that they stay in the second cache level beside the tree.
constexpr std::size_t kBlockBytes = 384 * 1024;
// Trees are summed in bundles, and the bundles' sums in order: the same bits whether one thread takes all bundles or several.
// This is the largest buffer for sums of bundles that several threads work on.
constexpr std::size_t kMaxPartialBytes = 32u << 20;

// A tile of no more rows than this is explained row by row, because with rows in the lanes most lanes would be idle.
constexpr int kFewRows = 3;

// Points and weights of one pass over a tree; a rule of more than kMaxPassPoints points is cut into several passes.
template <class T>
struct PassRule {
  int n_points;
  T zero_weight;
  T points[kMaxPassPoints];
  T weights[kMaxPassPoints];
};

template <class T>
std::vector<PassRule<T>> make_pass_rules(int n_points, bool has_zero_point) {
  const Quadrature rule = has_zero_point ? gauss_radau(n_points) : gauss_legendre(n_points);
  std::vector<PassRule<T>> passes;
  const int n_passes = (n_points + kMaxPassPoints - 1) / kMaxPassPoints;
  for (int pass = 0, begin = 0; pass < n_passes; ++pass) {
    const int end = n_points * (pass + 1) / n_passes;
    PassRule<T> of_pass{end - begin, static_cast<T>(pass == 0 ? rule.weight_at_zero : 0.0), {}, {}};
    for (int q = begin; q < end; ++q) {
      of_pass.points[q - begin] = static_cast<T>(rule.points[q]);
      of_pass.weights[q - begin] = static_cast<T>(rule.weights[q]);
    }
    passes.push_back(of_pass);
    begin = end;
  }
  return passes;
}

// Made once per process and kept: calls for a single row would feel them.
template <class T>
const std::vector<PassRule<T>>& pass_rules(int n_points, bool has_zero_point) {
  static std::mutex mutex;
  static std::map<std::pair<int, bool>, std::vector<PassRule<T>>> rules;
  const std::lock_guard lock(mutex);
  const auto [found, is_new] = rules.try_emplace({n_points, has_zero_point});
  if (is_new) found->second = make_pass_rules<T>(n_points, has_zero_point);
  return found->second;
}

template <class T>
struct Scratch {
  AlignedBuffer<char> codes;            // [tile][column][kTileRows]
  AlignedBuffer<double> total, bundle;  // [tile][output][feature][row]
  AlignedBuffer<T> stack, phi;
  AlignedBuffer<char> choices;
  AlignedBuffer<std::uint64_t> first, follow;
  AlignedBuffer<std::uint8_t> goes;
};

}  // namespace

// One call of explain: sizes, rules, and the two ways of sharing the work.
template <class T>
class QuadratureShap<T>::Call {
 public:
  Call(const QuadratureShap& shap, const RowsView& rows, const ValuesView& values, bool add, int max_points)
      : shap_(shap),
        program_(shap.program_),
        encoding_(*shap.program_.encoding),
        kernels_(active_kernels().tree),
        rows_(rows),
        values_(values),
        add_(add),
        max_points_(max_points),
        tile_values_(sums_of(kTileRows)),
        tile_codes_(encoding_.tile_bytes()),
        n_tiles_((rows.n_rows + kTileRows - 1) / kTileRows),
        n_bundles_(static_cast<std::int64_t>(program_.bundles.size()) - 1) {
    for (const auto& tree : program_.trees) {
      const auto number = rule_number(tree);
      if (number >= rules_.size()) rules_.resize(number + 1);
      if (rules_[number] == nullptr) rules_[number] = &pass_rules<T>(n_points(tree), tree.has_zero_point);
    }
  }

  void run(int n_threads, const InterruptCheck& check) const {
    if (rows_.n_rows == 0) return;
    const std::int64_t fitting = kBlockBytes / (2 * tile_values_ * sizeof(double) + tile_codes_ + 1);
    std::int64_t block_tiles = std::clamp<std::int64_t>(fitting, 1, kMaxBlockTiles);
    // Small tables: smaller blocks rather than idle threads.
    block_tiles = std::clamp<std::int64_t>(n_tiles_ / (4 * n_threads), 1, block_tiles);
    const std::int64_t n_blocks = (n_tiles_ + block_tiles - 1) / block_tiles;
    const std::size_t partial = tile_values_ * sizeof(double) * static_cast<std::size_t>(n_tiles_ * n_bundles_);
    if (n_blocks < 2 * n_threads && n_threads > 1 && n_bundles_ > 1 && partial <= kMaxPartialBytes)
      run_by_bundles(n_threads, check);
    else
      run_by_rows(block_tiles, n_blocks, n_threads, check);
  }

 private:
  void run_by_rows(std::int64_t block_tiles, std::int64_t n_blocks, int n_threads, const InterruptCheck& check) const {
    std::vector<std::unique_ptr<Scratch<T>>> scratch(n_threads);
    parallel_for(
        n_blocks, n_threads,
        [&](std::int64_t block, int worker) {
          auto& mine = scratch[worker];
          if (!mine) mine = allocate(block_tiles, true);
          const std::int64_t begin = block * block_tiles, end = std::min(begin + block_tiles, n_tiles_);
          for (auto tile = begin; tile < end; ++tile) encode(tile, mine->codes.get() + (tile - begin) * tile_codes_);
          // Only the last tile may be short, so what the tiles fill has no gaps.
          const std::size_t n = tile_values_ * static_cast<std::size_t>(end - begin - 1) + sums_of(padded_rows(end - 1));
          std::fill_n(mine->total.get(), n, 0.0);
          for (std::int64_t bundle = 0; bundle < n_bundles_; ++bundle) {
            std::fill_n(mine->bundle.get(), n, 0.0);
            sum_bundle(bundle, begin, end, *mine, mine->codes.get(), mine->bundle.get());
            kernels_.add_sums(mine->bundle.get(), n, mine->total.get());
          }
          for (auto tile = begin; tile < end; ++tile) write(tile, mine->total.get() + (tile - begin) * tile_values_);
        },
        check);
  }

  // Few rows for many threads: every (tile, bundle of trees) is a task of its own. The sums are added up in the same order as
  // above, so the bits are the same.
  void run_by_bundles(int n_threads, const InterruptCheck& check) const {
    AlignedBuffer<char> codes(tile_codes_ * static_cast<std::size_t>(n_tiles_));
    AlignedBuffer<double> sums(tile_values_ * static_cast<std::size_t>(n_tiles_ * n_bundles_));
    std::vector<std::unique_ptr<Scratch<T>>> scratch(n_threads);
    for (std::int64_t tile = 0; tile < n_tiles_; ++tile) encode(tile, codes.get() + tile * tile_codes_);
    parallel_for(
        n_tiles_ * n_bundles_, n_threads,
        [&](std::int64_t task, int worker) {
          auto& mine = scratch[worker];
          if (!mine) mine = allocate(0, false);
          const std::int64_t tile = task / n_bundles_, bundle = task % n_bundles_;
          double* sum = sums.get() + task * tile_values_;
          std::fill_n(sum, sums_of(padded_rows(tile)), 0.0);
          sum_bundle(bundle, tile, tile + 1, *mine, codes.get() + tile * tile_codes_, sum);
        },
        check);
    for (std::int64_t tile = 0; tile < n_tiles_; ++tile) {
      double* total = sums.get() + tile * n_bundles_ * tile_values_;
      // 0 + first bundle, as run_by_rows does: the sum of negative zeros keeps its sign otherwise.
      const std::size_t n = sums_of(padded_rows(tile));
      for (std::size_t i = 0; i < n; ++i) total[i] = 0.0 + total[i];
      for (std::int64_t bundle = 1; bundle < n_bundles_; ++bundle) kernels_.add_sums(total + bundle * tile_values_, n, total);
      write(tile, total);
    }
  }

  std::unique_ptr<Scratch<T>> allocate(std::int64_t block_tiles, bool with_sums) const {
    auto scratch = std::make_unique<Scratch<T>>();
    // A call of a few rows gets by with little: pages from the system would cost it as much as the work itself.
    const bool few = rows_.n_rows <= kFewRows;
    const std::size_t lanes = few ? 1 : kTileRows;
    const std::size_t level =
        few ? kRowLevelValues : std::size_t{3} * kTileRows * std::min(program_.max_points, kMaxPassPoints);
    const std::size_t n_levels = static_cast<std::size_t>(program_.max_levels) + 2;
    scratch->stack.resize(n_levels * level);
    if (!few) scratch->choices.resize((n_levels + 2) * kChoiceBytes);
    scratch->phi.resize(static_cast<std::size_t>(program_.max_slots) * lanes);
    scratch->first.resize(program_.max_decisions * kTileWords);
    if (!few) scratch->follow.resize(program_.max_decisions * kTileWords);
    scratch->goes.resize(program_.max_decisions);
    if (with_sums) {
      scratch->codes.resize(tile_codes_ * static_cast<std::size_t>(block_tiles));
      const std::size_t n_sums = few ? sums_of(kFewRows) : tile_values_ * static_cast<std::size_t>(block_tiles);
      scratch->total.resize(n_sums);
      scratch->bundle.resize(n_sums);
    }
    return scratch;
  }

  int rows_in(std::int64_t tile) const {
    return static_cast<int>(std::min<std::int64_t>(kTileRows, rows_.n_rows - tile * kTileRows));
  }

  // Rows of a tile, rounded up to whole words except where they are explained one by one: what its sums are made of.
  int padded_rows(std::int64_t tile) const { return padded(rows_in(tile)); }
  static int padded(int n_rows) { return n_rows <= kFewRows ? n_rows : (n_rows + kWordRows - 1) / kWordRows * kWordRows; }

  std::size_t sums_of(int n_rows) const {
    return static_cast<std::size_t>(encoding_.n_outputs) * encoding_.features.size() * static_cast<std::size_t>(n_rows);
  }

  void encode(std::int64_t tile, char* codes) const { encoding_.encode(rows_, tile * kTileRows, codes); }

  // Adds the attributions of one bundle of trees for the tiles [begin, end) to sums, [tile][output][feature][padded row].
  void sum_bundle(std::int64_t bundle, std::int64_t begin, std::int64_t end, Scratch<T>& scratch, const char* codes,
                  double* sums) const {
    for (auto i = program_.bundles[bundle]; i < program_.bundles[bundle + 1]; ++i)
      for (auto tile = begin; tile < end; ++tile)
        explain_tile(i, rows_in(tile), scratch, codes + (tile - begin) * tile_codes_, sums + (tile - begin) * tile_values_);
  }

  void explain_tile(std::int64_t number, int n_rows, Scratch<T>& scratch, const char* codes, double* sums) const {
    const TreeProgram<T>& tree = program_.trees[number];
    const int n_words = (n_rows + kWordRows - 1) / kWordRows, n_padded = padded(n_rows);
    const DecideTask decisions = decide_categories(tree, shap_.category_columns_[number], scratch, codes, n_words);
    if (n_rows > kFewRows) kernels_.decide(decisions);
    PassTask<T> task{};
    task.ops = tree.ops.data();
    task.n_ops = tree.ops.size();
    task.constants = tree.constants.data();
    task.leaf_stride = encoding_.n_leaf_outputs;
    task.first = scratch.first.get();
    task.follow = scratch.follow.get();
    task.goes = scratch.goes.get();
    task.n_rows = n_rows;
    task.stack = scratch.stack.get();
    task.choices = scratch.choices.get();
    task.phi = scratch.phi.get();
    for (int output = 0; output < encoding_.n_leaf_outputs; ++output) {
      task.leaf_values = tree.leaf_values.data() + output;
      task.at_zero = tree.at_zero.data() + output;
      const int to = encoding_.n_leaf_outputs == 1 ? tree.output : output;
      double* of_output = sums + static_cast<std::size_t>(to) * encoding_.features.size() * n_padded;
      if (n_rows <= kFewRows) {
        explain_rows(tree, task, decisions, scratch.goes.get(), of_output);
        continue;
      }
      for (std::size_t slot = 0; slot < tree.features.size(); ++slot) std::fill_n(task.phi + slot * kTileRows, n_padded, T{0});
      run_passes(tree, task, kernels_.pass_f32, kernels_.pass_f64);
      add(tree, task.phi, n_padded, of_output);
    }
  }

  // The few rows of a tile one by one.
  void explain_rows(const TreeProgram<T>& tree, PassTask<T>& task, const DecideTask& decisions, std::uint8_t* goes,
                    double* sums) const {
    const std::size_t n_slots = tree.features.size();
    for (int row = 0; row < task.n_rows; ++row) {
      kernels_.decide_row(decisions, row, goes);
      std::fill_n(task.phi, n_slots, T{0});
      run_passes(tree, task, kernels_.row_f32, kernels_.row_f64);
      for (std::size_t slot = 0; slot < n_slots; ++slot)
        sums[static_cast<std::size_t>(tree.features[slot]) * task.n_rows + row] += static_cast<double>(task.phi[slot]);
    }
  }

  void run_passes(const TreeProgram<T>& tree, PassTask<T>& task, void (*pass_f32)(const PassTask<float>&),
                  void (*pass_f64)(const PassTask<double>&)) const {
    for (const auto& rule : *rules_[rule_number(tree)]) {
      task.n_points = rule.n_points;
      task.zero_weight = rule.zero_weight;
      std::copy_n(rule.points, kMaxPassPoints, task.points);
      std::copy_n(rule.weights, kMaxPassPoints, task.weights);
      if constexpr (sizeof(T) == sizeof(float))
        pass_f32(task);
      else
        pass_f64(task);
    }
  }

  // Decides the categorical nodes, and returns what decides the others.
  DecideTask decide_categories(const TreeProgram<T>& tree, const std::vector<std::vector<CategoryColumn>>& category_columns,
                               Scratch<T>& scratch, const char* codes, int n_words) const {
    for (std::size_t b = 0; b < tree.category_blocks.size(); ++b) {
      const auto& nodes = tree.category_blocks[b].nodes;
      kernels_.categories({category_columns[b].data(), category_columns[b].size(), nodes.data(), nodes.size(), codes,
                           encoding_.wide_codes, n_words, scratch.first.get()});
    }
    return {tree.decisions.data(), tree.decisions.size(), codes, encoding_.wide_codes, n_words,
            scratch.first.get(),   scratch.follow.get()};
  }

  void add(const TreeProgram<T>& tree, const T* phi, int n_rows, double* sums) const {
    const TreeSumTask<T> task{phi, tree.features.data(), tree.features.size(), static_cast<std::size_t>(n_rows), sums};
    if constexpr (sizeof(T) == sizeof(float))
      kernels_.add_f32(task);
    else
      kernels_.add_f64(task);
  }

  int n_points(const TreeProgram<T>& tree) const { return std::min(tree.n_points, max_points_); }
  std::size_t rule_number(const TreeProgram<T>& tree) const {
    return static_cast<std::size_t>(n_points(tree)) * 2 + (tree.has_zero_point ? 1 : 0);
  }

  // [output][feature][padded row] -> rows of values.
  void write(std::int64_t tile, const double* total) const {
    const std::size_t n_used = encoding_.features.size(), n_padded = padded_rows(tile);
    const std::size_t n_outputs = encoding_.n_outputs, row_values = n_outputs * encoding_.n_features;
    const int n_rows = rows_in(tile);
    for (int row = 0; row < n_rows; ++row) {
      double* to = values_.data + (tile * kTileRows + row) * row_values;
      if (!add_) std::fill_n(to, row_values, 0.0);
      for (std::size_t i = 0; i < n_used; ++i)
        for (std::size_t output = 0; output < n_outputs; ++output)
          to[encoding_.features[i] * n_outputs + output] += total[(output * n_used + i) * n_padded + row];
    }
  }

  const QuadratureShap& shap_;
  const ForestProgram<T>& program_;
  const Encoding& encoding_;
  const TreeKernels& kernels_;
  const RowsView& rows_;
  const ValuesView& values_;
  const bool add_;
  const int max_points_;
  const std::size_t tile_values_, tile_codes_;
  const std::int64_t n_tiles_, n_bundles_;
  std::vector<const std::vector<PassRule<T>>*> rules_;  // by rule_number
};

template <class T>
QuadratureShap<T>::QuadratureShap(ForestProgram<T> program) : program_(std::move(program)) {
  for (const auto& tree : program_.trees) {
    auto& of_tree = category_columns_.emplace_back();
    for (const auto& block : tree.category_blocks) {
      auto& of_block = of_tree.emplace_back();
      for (const auto& column : block.columns) of_block.push_back({column.column, column.masks.data()});
    }
  }
}

template <class T>
void QuadratureShap<T>::explain(const RowsView& rows, const ValuesView& values, bool add, int max_points, int n_threads,
                                const InterruptCheck& check) const {
  const Call call(*this, rows, values, add, max_points);
  call.run(std::max(n_threads, 1), check);
}

template <class T>
std::size_t QuadratureShap<T>::memory() const {
  std::size_t bytes = 0;
  for (const auto& tree : program_.trees) {
    bytes += tree.ops.capacity() * sizeof(Op) + tree.decisions.capacity() * sizeof(Decision) +
             tree.constants.capacity() * sizeof(NodeConstants<T>) +
             (tree.leaf_values.capacity() + tree.at_zero.capacity()) * sizeof(T) +
             tree.features.capacity() * sizeof(std::int32_t);
    for (const auto& block : tree.category_blocks)
      for (const auto& column : block.columns) bytes += column.masks.capacity() * sizeof(std::uint64_t);
  }
  return bytes;
}

template class QuadratureShap<float>;
template class QuadratureShap<double>;

}  // namespace fastexplain
