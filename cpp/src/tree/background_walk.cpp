#include "tree/background_walk.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "isa/kernels.h"

namespace fastexplain {
namespace {

// Rows that go through a tree one after the other, while it is in the cache.
constexpr std::int64_t kMaxBlockRows = kPairRows;
// The largest buffer for sums of bundles that several threads work on.
constexpr std::size_t kMaxPartialBytes = 16u << 20;
// Paths of more distinct features have their shares computed leaf by leaf: 1 MB of them are kept.
constexpr std::int32_t kMostTabulated = 255;

// n! k! / (n + k)!, by the binomial coefficient.
double beta(int n, int k) {
  double share = 1;
  for (int i = 1; i <= std::min(n, k); ++i) share *= static_cast<double>(i) / (std::max(n, k) + i);
  return share;
}

std::vector<LeafShares> leaf_shares(std::int32_t most) {
  std::vector<LeafShares> shares;
  for (int q = 0; q <= most; ++q)
    for (int p = 0; p <= most; ++p) shares.push_back({p > 0 ? beta(p, q) / p : 0, q > 0 ? beta(p, q) / q : 0});
  return shares;
}

// A tile of some rows.
void encode_rows(const Encoding& encoding, const RowsView& rows, const std::int64_t* which, int n_rows, char* codes) {
  const std::int64_t item = rows.is_float32 ? sizeof(float) : sizeof(double), row_bytes = encoding.n_features * item;
  std::vector<char> chosen(static_cast<std::size_t>(n_rows * row_bytes));
  for (int row = 0; row < n_rows; ++row)
    for (std::int64_t column = 0; column < encoding.n_features; ++column)
      std::memcpy(chosen.data() + row * row_bytes + column * item,
                  rows.data + which[row] * rows.row_stride + column * rows.column_stride, item);
  encoding.encode({chosen.data(), n_rows, row_bytes, item, rows.is_float32}, 0, codes);
}

}  // namespace

EncodedBackground::EncodedBackground(const Encoding& encoding, const RowsView& rows, const double* weights)
    : tile_bytes_(encoding.tile_bytes()) {
  std::vector<std::int64_t> kept;
  double sum = 0, rest = 0;  // compensated (Kahan): a million roundings would cost four digits of all values
  for (std::int64_t row = 0; row < rows.n_rows; ++row) {
    const double weight = weights == nullptr ? 1 : weights[row];
    if (weight == 0) continue;
    kept.push_back(row);
    weights_.push_back(weight);
    const double next = weight - rest, before = sum;
    sum += next;
    rest = (sum - before) - next;
  }
  for (auto& weight : weights_) weight /= sum;
  codes_.resize(tile_bytes_ * n_tiles());
  std::fill_n(codes_.get(), tile_bytes_ * n_tiles(), char{0});  // places without a row need a code, too
  for (std::int64_t tile = 0; tile < n_tiles(); ++tile)
    encode_rows(encoding, rows, kept.data() + tile * kTileRows, rows_in(tile),
                codes_.get() + tile * static_cast<std::int64_t>(tile_bytes_));
}

int EncodedBackground::words_in(std::int64_t tile) const {
  const int words = (rows_in(tile) + kWordRows - 1) / kWordRows;
  return words == 3 ? 4 : words;
}

int EncodedBackground::rows_in(std::int64_t tile) const {
  return static_cast<int>(std::min<std::int64_t>(kTileRows, n_rows() - tile * kTileRows));
}

BackgroundWalk::BackgroundWalk(const ForestView& forest, std::shared_ptr<const Encoding> encoding,
                               const std::vector<TreePart>& parts, std::shared_ptr<const EncodedBackground> background,
                               std::int32_t most_own_places, std::size_t kept_bytes, int n_threads)
    : encoding_(std::move(encoding)), background_(std::move(background)), trees_(parts.size()) {
  parallel_for(static_cast<std::int64_t>(parts.size()), n_threads, [&](std::int64_t i, int) {
    trees_[i] = compile_background_tree(forest, *encoding_, parts[i], expectation(forest, parts[i].tree), most_own_places);
  });
  std::erase_if(trees_, [](const BackgroundTree& tree) { return tree.splits.empty(); });
  std::vector<std::size_t> work;
  for (const auto& tree : trees_) {
    max_levels_ = std::max(max_levels_, tree.n_levels);
    max_distinct_ = std::max(max_distinct_, tree.n_distinct);
    max_places_ = std::max(max_places_, tree.n_places);
    const std::int32_t n_levels = tree.features.empty() ? 1 : tree.n_levels + 1;
    max_violated_ = std::max(max_violated_, static_cast<std::size_t>(n_levels) * tree.n_places * kMaxBlockWords);
    max_splits_ = std::max(max_splits_, tree.splits.size());
    work.push_back(tree.splits.size());
  }
  bundles_ = balanced_bundles(work);
  n_shares_ = std::min(max_distinct_, kMostTabulated) + 1;
  shares_ = leaf_shares(n_shares_ - 1);
  keep_ways(kept_bytes, n_threads);
}

void BackgroundWalk::keep_ways(std::size_t kept_bytes, int n_threads) {
  ways_.resize(trees_.size());
  std::size_t n_words = 0;
  for (std::int64_t tile = 0; tile < background_->n_tiles(); ++tile) n_words += background_->words_in(tile);
  for (std::size_t i = 0; i < trees_.size(); ++i) {
    const std::size_t words = trees_[i].splits.size() * n_words;
    if (words * sizeof(std::uint64_t) > kept_bytes) continue;
    kept_bytes -= words * sizeof(std::uint64_t);
    ways_[i].resize(words);
  }
  parallel_for(static_cast<std::int64_t>(trees_.size()), n_threads, [&](std::int64_t i, int) {
    if (ways_[i].empty()) return;
    std::uint64_t* at = ways_[i].data();
    for (std::int64_t tile = 0; tile < background_->n_tiles(); ++tile) {
      find_ways(trees_[i], tile, at);
      at += trees_[i].splits.size() * background_->words_in(tile);
    }
  });
}

void BackgroundWalk::find_ways(const BackgroundTree& tree, std::int64_t tile, std::uint64_t* left) const {
  active_kernels().background.bits({tree.splits.data(), static_cast<std::int64_t>(tree.splits.size()), tree.sets.data(),
                                    background_->codes(tile), encoding_->wide_codes, background_->words_in(tile), left});
}

std::size_t BackgroundWalk::memory() const {
  std::size_t bytes = shares_.capacity() * sizeof(LeafShares);
  for (const auto& tree : trees_) bytes += tree.memory();
  for (const auto& ways : ways_) bytes += ways.capacity() * sizeof(std::uint64_t);
  return bytes;
}

void BackgroundWalk::allocate(WalkScratch& scratch) const {
  const std::size_t n_places = max_places_, n_leaf = encoding_->n_leaf_outputs;
  scratch.frames.resize(static_cast<std::size_t>(max_levels_ + 1) * kBackgroundFrameBytes);
  scratch.of_leaf.resize(n_places);
  scratch.lost.resize((n_places + 1) * n_leaf);
  scratch.ways.resize(max_splits_ * kMaxBlockWords);
  scratch.gained.resize(n_places * n_leaf);
  scratch.violated.resize(n_places * kMaxBlockWords);
  scratch.violated_levels.resize(max_violated_);
  scratch.row_violates.resize(n_places);
  std::fill_n(scratch.gained.get(), n_places * n_leaf, 0.0);
  std::fill_n(scratch.violated.get(), n_places * kMaxBlockWords, std::uint64_t{0});
  std::fill_n(scratch.row_violates.get(), n_places, std::uint8_t{0});
}

BackgroundTask BackgroundWalk::task_of(std::int64_t number, std::int64_t tile, const WalkScratch& scratch) const {
  const BackgroundTree& tree = trees_[number];
  const bool own_places = !tree.features.empty();
  BackgroundTask task{};
  task.splits = tree.splits.data();
  task.left = ways_of(number, tile, scratch);
  task.sets = tree.sets.data();
  task.leaf_values = tree.leaf_values.data();
  task.leaf_places = own_places ? nullptr : tree.leaf_places.data();
  task.weights = background_->weights(tile);
  task.n_words = background_->words_in(tile);
  const int n_rows = background_->rows_in(tile);
  for (int w = 0; w * kWordRows < n_rows; ++w) task.present[w] = ~std::uint64_t{0} >> std::max(0, (w + 1) * kWordRows - n_rows);
  task.n_leaf_outputs = encoding_->n_leaf_outputs;
  task.shares = tree.n_distinct > kMostTabulated ? nullptr : shares_.data();
  task.n_shares = n_shares_;
  task.n_places = tree.n_places;
  task.violated = own_places ? scratch.violated_levels.get() : scratch.violated.get();
  task.row_violates = scratch.row_violates.get();
  task.of_leaf = scratch.of_leaf.get();
  task.lost = scratch.lost.get();
  task.frames = scratch.frames.get();
  task.gained = scratch.gained.get();
  task.n_features = static_cast<std::int64_t>(encoding_->features.size());
  return task;
}

PairWalkTask BackgroundWalk::pairs_task_of(std::int64_t number, std::int64_t tile, const WalkScratch& scratch) const {
  const BackgroundTree& tree = trees_[number];
  PairWalkTask task{};
  task.splits = tree.splits.data();
  task.left = ways_of(number, tile, scratch);
  task.sets = tree.sets.data();
  task.leaf_values = tree.leaf_values.data();
  task.weights = background_->weights(tile);
  task.shares = shares_.data();
  task.n_shares = n_shares_;
  task.wide_codes = encoding_->wide_codes;
  task.n_background = background_->rows_in(tile);
  task.n_words = background_->words_in(tile);
  task.n_leaf_outputs = encoding_->n_leaf_outputs;
  task.n_places = tree.n_places;
  task.frames = scratch.frames.get();
  return task;
}

const std::uint64_t* BackgroundWalk::ways_of(std::int64_t number, std::int64_t tile, const WalkScratch& scratch) const {
  if (!ways_[number].empty())  // all tiles before are full
    return ways_[number].data() + tile * kMaxBlockWords * static_cast<std::int64_t>(trees_[number].splits.size());
  find_ways(trees_[number], tile, scratch.ways.get());
  return scratch.ways.get();
}

// One call of explain: sizes, and the two ways of sharing the work.
class BackgroundWalk::Call {
 public:
  Call(const BackgroundWalk& walk, const RowsView& rows, const ValuesView& values)
      : walk_(walk),
        encoding_(*walk.encoding_),
        background_(*walk.background_),
        kernels_(active_kernels().background),
        rows_(rows),
        values_(values),
        row_codes_(2 * encoding_.columns.size()),
        row_sums_(static_cast<std::size_t>(encoding_.n_outputs) * encoding_.features.size()),
        n_bundles_(static_cast<std::int64_t>(walk.bundles_.size()) - 1) {}

  void run(int n_threads, const InterruptCheck& check) const {
    // The more rows, the less the trees cost a row; but threads should not wait for each other.
    const std::int64_t n_turns = n_threads > 1 ? 2 * n_threads : 1;
    const std::int64_t block_rows = std::clamp<std::int64_t>(rows_.n_rows / n_turns, 1, kMaxBlockRows);
    const std::int64_t n_blocks = (rows_.n_rows + block_rows - 1) / block_rows;
    const std::size_t partial = static_cast<std::size_t>(rows_.n_rows * n_bundles_) * row_sums_ * sizeof(double);
    if (n_threads > 1 && n_blocks < 2 * n_threads && n_bundles_ > 1 && partial <= kMaxPartialBytes)
      run_by_bundles(block_rows, n_blocks, n_threads, check);
    else
      run_by_rows(block_rows, n_blocks, n_threads, check);
  }

 private:
  void run_by_rows(std::int64_t block_rows, std::int64_t n_blocks, int n_threads, const InterruptCheck& check) const {
    std::vector<std::unique_ptr<Scratch>> scratch(n_threads);
    parallel_for(
        n_blocks, n_threads,
        [&](std::int64_t block, int worker) {
          auto& mine = scratch[worker];
          if (!mine) mine = allocate(block_rows);
          const std::int64_t begin = block * block_rows, end = std::min(begin + block_rows, rows_.n_rows);
          const std::size_t n = static_cast<std::size_t>(end - begin) * row_sums_;
          encode(begin, end, *mine);
          std::fill_n(mine->totals.get(), n, 0.0);
          for (std::int64_t bundle = 0; bundle < n_bundles_; ++bundle) {
            sum_bundle(bundle, end - begin, *mine, mine->sums.get());
            for (std::size_t i = 0; i < n; ++i) mine->totals.get()[i] += mine->sums.get()[i];
          }
          for (auto row = begin; row < end; ++row) add(row, mine->totals.get() + (row - begin) * row_sums_);
        },
        check);
  }

  // Few rows for many threads: every (block, bundle of trees) is a task of its own. Sums are added up in the same order as
  // above, so the bits are the same.
  void run_by_bundles(std::int64_t block_rows, std::int64_t n_blocks, int n_threads, const InterruptCheck& check) const {
    AlignedBuffer<double> sums(static_cast<std::size_t>(rows_.n_rows * n_bundles_) * row_sums_);
    std::vector<std::unique_ptr<Scratch>> scratch(n_threads);
    parallel_for(
        n_blocks * n_bundles_, n_threads,
        [&](std::int64_t task, int worker) {
          auto& mine = scratch[worker];
          if (!mine) mine = allocate(block_rows);
          const std::int64_t block = task / n_bundles_, bundle = task % n_bundles_;
          const std::int64_t begin = block * block_rows, end = std::min(begin + block_rows, rows_.n_rows);
          encode(begin, end, *mine);
          sum_bundle(bundle, end - begin, *mine, sums.get() + (bundle * rows_.n_rows + begin) * row_sums_);
        },
        check);
    std::vector<double> total(row_sums_);
    for (std::int64_t row = 0; row < rows_.n_rows; ++row) {
      std::fill(total.begin(), total.end(), 0.0);
      for (std::int64_t bundle = 0; bundle < n_bundles_; ++bundle)
        for (std::size_t i = 0; i < row_sums_; ++i) total[i] += sums.get()[(bundle * rows_.n_rows + row) * row_sums_ + i];
      add(row, total.data());
    }
  }

  struct Scratch : WalkScratch {
    AlignedBuffer<char> tile;
    AlignedBuffer<std::int32_t> codes;   // [row][column, wrapping or not]
    AlignedBuffer<double> sums, totals;  // [row][output][feature]
    AlignedBuffer<std::uint32_t> pair_rows, pair_places, waiting_rows, waiting_places;
    AlignedBuffer<double> pairs_gained;  // [row][leaf output][place]
  };

  std::unique_ptr<Scratch> allocate(std::int64_t block_rows) const {
    auto scratch = std::make_unique<Scratch>();
    walk_.allocate(*scratch);
    scratch->tile.resize(encoding_.tile_bytes());
    std::fill_n(scratch->tile.get(), encoding_.tile_bytes(), char{0});  // places without a row need a code, too
    const std::int64_t n_pairs = block_rows * std::min<std::int64_t>(background_.n_rows(), kTileRows);
    for (auto* buffer : {&scratch->pair_rows, &scratch->pair_places}) buffer->resize(n_pairs + kPairSlack);
    for (auto* buffer : {&scratch->waiting_rows, &scratch->waiting_places}) buffer->resize(most_waiting(n_pairs, kFewPlaces));
    scratch->pairs_gained.resize(block_rows * encoding_.n_leaf_outputs * kFewPlaces);
    scratch->codes.resize(static_cast<std::size_t>(block_rows) * row_codes_);
    scratch->sums.resize(static_cast<std::size_t>(block_rows) * row_sums_);
    scratch->totals.resize(static_cast<std::size_t>(block_rows) * row_sums_);
    return scratch;
  }

  void encode(std::int64_t begin, std::int64_t end, Scratch& scratch) const {
    RowsView until = rows_;
    until.n_rows = end;
    encoding_.encode(until, begin, scratch.tile.get());
    for (std::int64_t row = 0; row < end - begin; ++row)
      row_codes(encoding_, scratch.tile.get(), row, scratch.codes.get() + row * row_codes_);
  }

  // Attributions of one bundle of trees for the block's rows, [row][output][feature].
  void sum_bundle(std::int64_t bundle, std::int64_t n_rows, Scratch& scratch, double* sums) const {
    std::fill_n(sums, static_cast<std::size_t>(n_rows) * row_sums_, 0.0);
    for (auto i = walk_.bundles_[bundle]; i < walk_.bundles_[bundle + 1]; ++i)
      for (std::int64_t tile = 0; tile < background_.n_tiles(); ++tile) explain_tile(i, tile, n_rows, scratch, sums);
  }

  void explain_tile(std::int64_t number, std::int64_t tile, std::int64_t n_rows, Scratch& scratch, double* sums) const {
    const BackgroundTree& tree = walk_.trees_[number];
    if (!tree.features.empty()) return explain_pairs(number, tile, n_rows, scratch, sums);
    BackgroundTask task = walk_.task_of(number, tile, scratch);
    for (std::int64_t row = 0; row < n_rows; ++row) {
      checkpoint();
      task.codes = scratch.codes.get() + row * row_codes_;
      task.sums = sums + row * row_sums_ + static_cast<std::size_t>(tree.output) * encoding_.features.size();
      kernels_.explain(task);
    }
  }

  // A tree whose features have their own places.
  void explain_pairs(std::int64_t number, std::int64_t tile, std::int64_t n_rows, Scratch& scratch, double* sums) const {
    checkpoint();
    const BackgroundTree& tree = walk_.trees_[number];
    PairWalkTask task = walk_.pairs_task_of(number, tile, scratch);
    task.codes = scratch.tile.get();
    task.n_rows = static_cast<int>(n_rows);
    task.pairs = {scratch.pair_rows.get(), scratch.pair_places.get()};
    task.waiting = {scratch.waiting_rows.get(), scratch.waiting_places.get()};
    task.gained = scratch.pairs_gained.get();
    std::fill_n(task.gained, n_rows * task.n_leaf_outputs * task.n_places, 0.0);
    kernels_.explain_pairs(task);
    const std::size_t n_used = encoding_.features.size();
    for (std::int64_t row = 0; row < n_rows; ++row) {
      for (int k = 0; k < task.n_leaf_outputs; ++k) {
        const double* gained = task.gained + (row * task.n_leaf_outputs + k) * task.n_places;
        double* to = sums + row * row_sums_ + (tree.output + k) * n_used;
        for (std::size_t place = 0; place < tree.features.size(); ++place) to[tree.features[place]] += gained[place];
      }
    }
  }

  void add(std::int64_t row, const double* total) const {
    const std::size_t n_used = encoding_.features.size(), n_outputs = encoding_.n_outputs;
    double* to = values_.data + static_cast<std::size_t>(row) * n_outputs * encoding_.n_features;
    for (std::size_t i = 0; i < n_used; ++i)
      for (std::size_t output = 0; output < n_outputs; ++output)
        to[encoding_.features[i] * n_outputs + output] += total[output * n_used + i];
  }

  const BackgroundWalk& walk_;
  const Encoding& encoding_;
  const EncodedBackground& background_;
  const BackgroundKernels& kernels_;
  const RowsView& rows_;
  const ValuesView& values_;
  const std::size_t row_codes_, row_sums_;
  const std::int64_t n_bundles_;
};

void BackgroundWalk::explain(const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check) const {
  if (rows.n_rows == 0 || empty()) return;
  Call(*this, rows, values).run(std::max(n_threads, 1), check);
}

}  // namespace fastexplain
