#include "tree/background_pairs.h"

#include <algorithm>
#include <utility>

#include "isa/kernels.h"
#include "tree/forest_plan.h"
#include "tree/pair_weights.h"

namespace fastexplain {
namespace {

// Of the sums of a block of rows: half of the second cache level, so that trees are read once for several rows.
constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::int64_t kMaxBlockRows = 64;
// A node that tables leave over costs about so many nodes of the quadrature kernel, against a hundred background rows.
constexpr double kWalkCost = 50;
// Tables of pairs of more states take more to fill, and leave the cache, than fewer of them would.
constexpr int kMostStates = 128;

std::vector<double> outputs_of(const RawOutputs& outputs, const EncodedBackground& background) {
  std::vector<double> of_rows(background.n_rows());
  for (std::int64_t tile = 0; tile < background.n_tiles(); ++tile)
    outputs.predict(background.codes(tile), background.rows_in(tile), of_rows.data() + tile * kTileRows);
  return of_rows;
}

}  // namespace

BackgroundPairs::BackgroundPairs(const ForestView& forest, std::shared_ptr<const Encoding> encoding,
                                 std::shared_ptr<const EncodedBackground> background, const InterventionalOptions& options,
                                 int n_threads)
    : encoding_(std::move(encoding)),
      background_(std::move(background)),
      outputs_(forest, encoding_, n_threads),
      background_outputs_(outputs_of(outputs_, *background_)) {
  SumLayout layout = lay_out<double>(forest, *encoding_);
  const ForestPlanOptions by_tables{.table_bytes = options.table_bytes,
                                    .max_states = std::min(options.max_states, kMostStates),
                                    .walk_cost = kWalkCost,
                                    .keep = false};
  ForestPlan plan = plan_forest<double>(forest, *encoding_, layout, by_tables, n_threads);
  const auto walk = [&](const std::vector<TreePart>& parts, std::size_t kept_bytes) {
    return std::make_unique<BackgroundWalk>(forest, encoding_, parts, background_, kMostOwnPlaces, kept_bytes, n_threads);
  };
  few_rows_ = walk(plan.walked_or_passing, options.kept_bytes);
  many_rows_ = walk(plan.walked, 0);  // to find the background's ways again takes little beside calls of many rows
  tables_ = std::make_unique<PairTables>(std::move(plan.passing), encoding_, background_, std::move(layout));
}

std::int64_t BackgroundPairs::turn(std::int64_t n_rows_of_call) const { return tables_->turn(n_rows_of_call); }

std::size_t BackgroundPairs::memory() const {
  return few_rows_->memory() + many_rows_->memory() + tables_->memory() + outputs_.memory() +
         background_outputs_.capacity() * sizeof(double);
}

// Walks. Sums are kept by background row, and rescaled pair by pair.
class BackgroundPairs::Call {
 public:
  Call(const BackgroundPairs& pairs, const BackgroundWalk& walk, const RowsView& rows, const PairWeights& weights,
       const ValuesView& values)
      : pairs_(pairs),
        walk_(walk),
        encoding_(*pairs.encoding_),
        background_(*pairs.background_),
        kernels_(active_kernels().background),
        rows_(rows),
        weights_(weights),
        values_(values),
        row_codes_(2 * encoding_.columns.size()),
        n_used_(encoding_.features.size()),
        same_places_(n_used_ <= static_cast<std::size_t>(kMostOwnPlaces)) {
    stride_ = n_used_;
    for (const auto& tree : walk.trees()) most_places_ = std::max(most_places_, static_cast<std::size_t>(tree.n_places));
    if (same_places_) stride_ = most_places_;
  }

  void run(int n_threads, const InterruptCheck& check) const {
    if (walk_.empty()) return;
    const std::int64_t fitting = kBlockBytes / (kTileRows * stride_ * sizeof(double)) + 1;
    const std::int64_t block_rows =
        std::clamp<std::int64_t>(rows_.n_rows / (4 * n_threads), 1, std::min(fitting, kMaxBlockRows));
    std::vector<std::unique_ptr<Scratch>> scratch(n_threads);
    parallel_for((rows_.n_rows + block_rows - 1) / block_rows, n_threads,
                 [&](std::int64_t block, int worker) {
                   auto& mine = scratch[worker];
                   if (!mine) mine = allocate(block_rows);
                   const std::int64_t begin = block * block_rows, end = std::min(begin + block_rows, rows_.n_rows);
                   encode(begin, end, *mine);
                   for (std::int64_t tile = 0; tile < background_.n_tiles(); ++tile) explain_tile(tile, begin, end, *mine);
                 },
                 check);
  }

 private:
  struct Scratch : WalkScratch {
    AlignedBuffer<char> tile;
    AlignedBuffer<std::int32_t> codes;  // [row][column, wrapping or not]
    AlignedBuffer<double> margins;      // [row]
    AlignedBuffer<double> sums;         // [row][background row][feature]
    AlignedBuffer<double> of_tree;      // [background row][place]
  };

  std::unique_ptr<Scratch> allocate(std::int64_t block_rows) const {
    auto scratch = std::make_unique<Scratch>();
    walk_.allocate(*scratch);
    scratch->tile.resize(encoding_.tile_bytes());
    scratch->codes.resize(static_cast<std::size_t>(block_rows) * row_codes_);
    scratch->margins.resize(kTileRows);
    scratch->sums.resize(static_cast<std::size_t>(block_rows) * kTileRows * stride_);
    if (!same_places_) scratch->of_tree.resize(kTileRows * most_places_);
    return scratch;
  }

  void encode(std::int64_t begin, std::int64_t end, Scratch& scratch) const {
    RowsView until = rows_;
    until.n_rows = end;
    encoding_.encode(until, begin, scratch.tile.get());
    pairs_.outputs_.predict(scratch.tile.get(), static_cast<int>(end - begin), scratch.margins.get());
    for (std::int64_t row = 0; row < end - begin; ++row)
      row_codes(encoding_, scratch.tile.get(), row, scratch.codes.get() + row * row_codes_);
  }

  // Adds what the tile's background rows do to the values of the rows begin .. end - 1.
  void explain_tile(std::int64_t tile, std::int64_t begin, std::int64_t end, Scratch& scratch) const {
    const std::size_t of_row = static_cast<std::size_t>(background_.rows_in(tile)) * stride_;
    std::fill_n(scratch.sums.get(), static_cast<std::size_t>(end - begin) * of_row, 0.0);
    for (std::size_t i = 0; i < walk_.trees().size(); ++i) {
      BackgroundTask task = walk_.task_of(static_cast<std::int64_t>(i), tile, scratch);
      for (std::int64_t row = 0; row < end - begin; ++row) {
        checkpoint();
        task.codes = scratch.codes.get() + row * row_codes_;
        add_tree(walk_.trees()[i], tile, task, scratch, scratch.sums.get() + static_cast<std::size_t>(row) * of_row);
      }
    }
    for (auto row = begin; row < end; ++row)
      rescale(tile, row, scratch.margins.get()[row - begin],
              scratch.sums.get() + static_cast<std::size_t>(row - begin) * of_row);
  }

  // Attributions of one tree to one row, by background row.
  void add_tree(const BackgroundTree& tree, std::int64_t tile, BackgroundTask task, Scratch& scratch, double* sums) const {
    if (tree.features.empty()) return add_rows_one_by_one(tile, task, sums);
    const int n_rows = background_.rows_in(tile);
    task.gained = same_places_ ? sums : scratch.of_tree.get();
    if (!same_places_) std::fill_n(task.gained, static_cast<std::size_t>(n_rows) * tree.n_places, 0.0);
    kernels_.explain_each(task);
    if (same_places_) return;
    for (int row = 0; row < n_rows; ++row)
      for (std::size_t place = 0; place < tree.features.size(); ++place)
        sums[static_cast<std::size_t>(row) * stride_ + tree.features[place]] +=
            task.gained[static_cast<std::size_t>(row) * tree.n_places + place];
  }

  // A tree of more features than have places of their own.
  void add_rows_one_by_one(std::int64_t tile, BackgroundTask task, double* sums) const {
    const std::vector<double> ones(kTileRows, 1.0);
    task.weights = ones.data();
    for (int row = 0; row < background_.rows_in(tile); ++row) {
      std::fill_n(task.present, kMaxBlockWords, std::uint64_t{0});
      task.present[row / kWordRows] = std::uint64_t{1} << (row % kWordRows);
      task.sums = sums + static_cast<std::size_t>(row) * stride_;
      kernels_.explain(task);
    }
  }

  void rescale(std::int64_t tile, std::int64_t row, double margin, const double* sums) const {
    double* const to = values_.data + row * values_.n_features;
    for (int other = 0; other < background_.rows_in(tile); ++other) {
      const double factor = weights_.of_pair(row, margin, tile * kTileRows + other);
      for (std::size_t i = 0; i < n_used_; ++i)
        to[encoding_.features[i]] += factor * sums[static_cast<std::size_t>(other) * stride_ + i];
    }
  }

  const BackgroundPairs& pairs_;
  const BackgroundWalk& walk_;
  const Encoding& encoding_;
  const EncodedBackground& background_;
  const BackgroundKernels& kernels_;
  const RowsView& rows_;
  const PairWeights& weights_;
  const ValuesView& values_;
  const std::size_t row_codes_, n_used_;
  const bool same_places_;  // a feature has the same place in all trees: its position among those that the forest splits on
  std::size_t stride_, most_places_ = 0;
};

void BackgroundPairs::explain(const RowsView& rows, const OutputTransform& transform, const ValuesView& values, int n_threads,
                              std::int64_t n_rows_of_call, const InterruptCheck& check) const {
  const PairWeights weights(transform, outputs_, background_outputs_, background_->weights());
  const bool by_tables = turn(std::max(n_rows_of_call, rows.n_rows)) > 0;
  std::fill_n(values.data, values.n_rows * values.n_features, 0.0);
  Call(*this, by_tables ? *many_rows_ : *few_rows_, rows, weights, values).run(std::max(n_threads, 1), check);
  if (by_tables) tables_->explain(rows, weights, values, n_threads, check);
}

}  // namespace fastexplain
