#include "tree/pair_tables.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "isa/kernels.h"
#include "tree/pair_fill.h"

namespace fastexplain {
namespace {

// Weights of the pairs of a turn's rows, and what else is kept of each.
constexpr std::int64_t kTurnBytes = 6 << 20;
// Of the tables of a batch; most of the second cache level is left to rows.
constexpr std::size_t kBatchEntries = (512 << 10) / (kOctet * sizeof(double));
constexpr std::size_t kMostBatchGroups = 32;

// Rows in whole tiles, or, of many background rows, in whole blocks of kJointRows.
std::int64_t turn_rows(std::int64_t row_bytes) {
  const std::int64_t rows = kTurnBytes / row_bytes;
  return rows / (rows < kTileRows ? kJointRows : kTileRows) * (rows < kTileRows ? kJointRows : kTileRows);
}

}  // namespace

struct PairTables::Table {
  std::vector<std::uint16_t> others;         // states that background rows are in
  std::vector<std::uint32_t> order, bounds;  // background rows by their states
  AlignedBuffer<std::uint16_t> row_states;   // of a turn
  double* entries;
};

PairTables::PairTables(std::vector<TreePlan> plans, std::shared_ptr<const Encoding> encoding,
                       std::shared_ptr<const EncodedBackground> background, SumLayout layout)
    : encoding_(std::move(encoding)),
      background_(std::move(background)),
      layout_(std::move(layout)),
      patterns_(std::move(plans), *encoding_, layout_) {
  if (patterns_.empty()) return;
  const auto n_columns = static_cast<std::int64_t>(encoding_->columns.size());
  turn_rows_ = turn_rows(static_cast<std::int64_t>(sizeof(double)) *
                             (background_->n_rows() + static_cast<std::int64_t>(encoding_->features.size())) +
                         (patterns_.needs_words() ? 3 : 1) * n_columns);
  if (turn_rows_ == 0) return;
  const std::size_t n_codes = static_cast<std::size_t>(background_->n_tiles() * n_columns * kTileRows);
  background_bytes_.resize(n_codes);
  active_kernels().patterns.narrow(background_->words(0), n_codes, background_bytes_.get());
  add_groups();
  cut_into_batches();
  least_rows_ = least_rows();
}

void PairTables::add_groups() {
  Table table;
  for (std::size_t i = 0; i < patterns_.n_groups(); ++i) {
    const auto [plan, group] = patterns_.planned(i);
    const auto features = pair_features(plan, group);
    sort_background(i, table);
    groups_.push_back({group.n_states, static_cast<std::uint32_t>(table.others.size()),
                       static_cast<std::uint32_t>(features_.size()), static_cast<std::uint32_t>(features.size())});
    features_.insert(features_.end(), features.begin(), features.end());
    most_others_ = std::max(most_others_, groups_.back().n_others);
  }
}

// The background rows by their states in a group.
void PairTables::sort_background(std::size_t group, Table& table) const {
  const std::int64_t n_rows = background_->n_rows();
  const PatternCodes codes{background_bytes_.get(), background_->words(0), encoding_->columns.size() * kTileRows};
  AlignedBuffer<std::uint16_t> states(static_cast<std::size_t>(background_->n_tiles()) * kTileRows);
  for (std::int64_t tile = 0; tile < background_->n_tiles(); ++tile)
    patterns_.find_states(group, 1, codes, tile, background_->rows_in(tile), states.get() + tile * kTileRows);
  std::uint32_t n_of[kMaxStates] = {}, number[kMaxStates];
  for (std::int64_t row = 0; row < n_rows; ++row) ++n_of[states.get()[row]];
  table.others.clear();
  table.bounds.assign(1, 0);
  for (std::uint16_t state = 0; state < kMaxStates; ++state) {
    if (n_of[state] == 0) continue;
    number[state] = table.bounds.back();
    table.others.push_back(state);
    table.bounds.push_back(table.bounds.back() + n_of[state]);
  }
  table.order.resize(n_rows);
  for (std::int64_t row = 0; row < n_rows; ++row) table.order[number[states.get()[row]]++] = static_cast<std::uint32_t>(row);
}

void PairTables::cut_into_batches() {
  Batch batch{};
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const bool full = batch.last - batch.first == kMostBatchGroups || batch.n_entries + groups_[i].n_entries() > kBatchEntries;
    if (full && batch.last > batch.first) {
      batches_.push_back(batch);
      batch = {i, i, 0};
    }
    ++batch.last;
    batch.n_entries += groups_[i].n_entries();
  }
  batches_.push_back(batch);
}

// The cost model: nanoseconds on the machine of benchmarks/README.md, fitted to its zoo and 1 to 1,000 background rows.
std::int64_t PairTables::least_rows() const {
  constexpr double kGroup = 4, kWeight = 0.12, kEntry = 1;             // of a row, by tables
  constexpr double kFillLeaf = 400, kFillState = 50, kFillPair = 0.4;  // of a table
  constexpr double kWalkLeaf = 17, kMeets = 0.75;                      // of a row that walks
  const auto n_background = static_cast<double>(background_->n_rows());
  double spread = 0;  // of background rows that walk together few reach the same leaf
  for (std::int64_t tile = 0; tile < background_->n_tiles(); ++tile) spread += std::sqrt(background_->rows_in(tile));
  double by_tables = 0, fill = 0, walk = 0;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const auto [plan, planned] = patterns_.planned(i);
    const double n_others = groups_[i].n_others, n_leaves = planned.n_leaves;
    by_tables += kGroup + kWeight * n_background + kEntry * n_others;
    fill += n_background + n_leaves * (kFillLeaf + n_others * (kFillState + kFillPair * groups_[i].n_states));
    for (auto leaf = planned.first_leaf; leaf < planned.first_leaf + planned.n_leaves; ++leaf)
      walk += kWalkLeaf * spread * std::pow(kMeets, plan.leaves[leaf].n_conditions);
  }
  constexpr double kNever = 1e18;
  return static_cast<std::int64_t>(walk > by_tables ? std::min(fill / (walk - by_tables), kNever) : kNever) + 1;
}

std::int64_t PairTables::turn(std::int64_t n_rows_of_call) const {
  return turn_rows_ > 0 && std::min(n_rows_of_call, turn_rows_) >= least_rows_ ? turn_rows_ : 0;
}

std::size_t PairTables::memory() const {
  const std::size_t n_codes =
      background_bytes_.get() == nullptr ? 0 : background_->n_tiles() * encoding_->columns.size() * kTileRows;
  return patterns_.memory() + n_codes + groups_.capacity() * sizeof(Group) + features_.capacity() * sizeof(std::int32_t) +
         batches_.capacity() * sizeof(Batch);
}

// One call of explain. As many batches of groups at a time as there are threads: first their tables are filled, then each row
// goes through them.
class PairTables::Call {
 public:
  Call(const PairTables& tables, const RowsView& rows, const PairWeights& pairs, const ValuesView& values, int n_threads)
      : tables_(tables),
        encoding_(*tables.encoding_),
        rows_(rows),
        pairs_(pairs),
        values_(values),
        n_threads_(n_threads),
        n_columns_(encoding_.columns.size()),
        n_used_(encoding_.features.size()),
        n_background_(static_cast<std::size_t>(pairs.n_background())),
        workers_(n_threads) {
    const auto n_tiles = static_cast<std::size_t>((std::min(tables.turn_rows_, rows.n_rows) + kTileRows - 1) / kTileRows);
    const auto n_rows =
        static_cast<std::size_t>(std::min(tables.turn_rows_, rows.n_rows) + kJointRows - 1) / kJointRows * kJointRows;
    bytes_.resize(n_tiles * n_columns_ * kTileRows);
    if (tables.patterns_.needs_words()) words_.resize(n_tiles * n_columns_ * kTileRows);
    weights_.resize(n_rows * n_background_);
    totals_.resize(n_rows * n_used_);
    std::size_t most_entries = 0, most_groups = 0;
    for (std::size_t wave = 0; wave < tables.batches_.size(); wave += n_threads) {
      std::size_t n_entries = 0;
      const std::size_t last = end_of_wave(wave);
      for (auto batch = wave; batch < last; ++batch) n_entries += tables.batches_[batch].n_entries;
      most_entries = std::max(most_entries, n_entries);
      most_groups = std::max(most_groups, tables.batches_[last - 1].last - tables.batches_[wave].first);
    }
    entries_.resize(most_entries * kOctet);
    filled_.resize(most_groups);
    for (auto& table : filled_) table.row_states.resize(n_tiles * kTileRows);
  }

  void run(const InterruptCheck& check) {
    for (std::int64_t begin = 0; begin < rows_.n_rows; begin += tables_.turn_rows_) {
      const std::int64_t end = std::min(begin + tables_.turn_rows_, rows_.n_rows);
      parallel_for((end - begin + kTileRows - 1) / kTileRows, n_threads_,
                   [&](std::int64_t tile, int worker) { prepare(begin, end, tile, worker_of(worker)); }, check);
      for (std::size_t wave = 0; wave < tables_.batches_.size(); wave += n_threads_) explain_wave(wave, end - begin, check);
      write(begin, end);
    }
  }

 private:
  struct Worker {
    PairFiller filler;
    AlignedBuffer<double> by_state;
    AlignedBuffer<std::int16_t> words;  // of a tile
  };

  Worker& worker_of(int number) {
    auto& mine = workers_[number];
    if (!mine) {
      mine = std::make_unique<Worker>();
      mine->by_state.resize(std::size_t{tables_.most_others_} * kJointRows);
      mine->words.resize(n_columns_ * kTileRows);
    }
    return *mine;
  }

  std::size_t end_of_wave(std::size_t wave) const { return std::min(wave + n_threads_, tables_.batches_.size()); }

  PatternCodes codes() const { return {bytes_.get(), words_.get(), n_columns_ * kTileRows}; }

  // Codes, and weights of pairs, of a tile of the turn's rows.
  void prepare(std::int64_t begin, std::int64_t end, std::int64_t tile, Worker& worker) {
    const std::size_t tile_codes = n_columns_ * kTileRows;
    std::int16_t* words = words_.get() == nullptr ? worker.words.get() : words_.get() + tile * tile_codes;
    RowsView until = rows_;
    until.n_rows = end;
    const std::int64_t first = tile * kTileRows;
    encoding_.encode(until, begin + first, words);
    active_kernels().patterns.narrow(words, tile_codes, bytes_.get() + tile * tile_codes);
    const std::int64_t n_rows = std::min<std::int64_t>(kTileRows, end - begin - first);
    double margins[kTileRows];
    pairs_.find_margins(words, static_cast<int>(n_rows), margins);
    for (std::int64_t row = 0; row < n_rows; ++row)
      for (std::size_t other = 0; other < n_background_; ++other)
        lane_of(first + row)[other * kJointRows] =
            pairs_.of_pair(begin + first + row, margins[row], static_cast<std::int64_t>(other));
    for (std::int64_t row = n_rows; row % kJointRows != 0; ++row)  // lanes without a row
      for (std::size_t other = 0; other < n_background_; ++other) lane_of(first + row)[other * kJointRows] = 0;
    std::fill_n(totals_.get() + first * n_used_, n_rows * n_used_, 0.0);
  }

  // Weights of the pairs of a row of the turn, [background row] in steps of kJointRows.
  double* lane_of(std::int64_t row) const {
    return weights_.get() + row / kJointRows * kJointRows * n_background_ + row % kJointRows;
  }

  void explain_wave(std::size_t wave, std::int64_t n_rows, const InterruptCheck& check) {
    const std::size_t first_group = tables_.batches_[wave].first, last_batch = end_of_wave(wave);
    const std::size_t n_groups = tables_.batches_[last_batch - 1].last - first_group;
    double* entries = entries_.get();
    for (std::size_t i = 0; i < n_groups; ++i) {
      filled_[i].entries = entries;
      entries += tables_.groups_[first_group + i].n_entries() * kOctet;
    }
    parallel_for(
        static_cast<std::int64_t>(n_groups), n_threads_,
        [&](std::int64_t i, int worker) { fill(first_group + i, n_rows, filled_[i], worker_of(worker)); }, check);
    const std::int64_t share = (n_rows / (4 * n_threads_) + kJointRows - 1) / kJointRows * kJointRows;
    const std::int64_t block_rows = std::clamp<std::int64_t>(share, kJointRows, kTileRows);
    parallel_for((n_rows + block_rows - 1) / block_rows, n_threads_,
                 [&](std::int64_t block, int worker) {
                   const std::int64_t begin = block * block_rows, end = std::min(begin + block_rows, n_rows);
                   for (auto batch = wave; batch < last_batch; ++batch) {
                     for (auto row = begin; row < end; row += kJointRows)
                       add_rows(tables_.batches_[batch], first_group, row, std::min<std::int64_t>(row + kJointRows, end),
                                worker_of(worker));
                     checkpoint();
                   }
                 },
                 check);
  }

  void fill(std::size_t group, std::int64_t n_rows, Table& table, Worker& worker) {
    tables_.sort_background(group, table);
    const auto [plan, planned] = tables_.patterns_.planned(group);
    worker.filler.fill(plan, planned, table.others, table.entries);
    for (std::int64_t row = 0, tile = 0; row < n_rows; row += kTileRows, ++tile)
      tables_.patterns_.find_states(group, 1, codes(), tile, static_cast<int>(std::min<std::int64_t>(kTileRows, n_rows - row)),
                                    table.row_states.get() + row);
  }

  // At most kJointRows rows, which lie side by side, through the tables of a batch.
  void add_rows(const Batch& batch, std::size_t first_group, std::int64_t begin, std::int64_t end, Worker& worker) {
    PairSumTask task{};
    task.weights = lane_of(begin);
    task.n_rows = static_cast<int>(end - begin);
    task.by_state = worker.by_state.get();
    task.totals = totals_.get() + begin * n_used_;
    task.stride = n_used_;
    for (auto i = batch.first; i < batch.last; ++i) {
      const Table& table = filled_[i - first_group];
      const Group& group = tables_.groups_[i];
      task.order = table.order.data();
      task.bounds = table.bounds.data();
      task.n_others = group.n_others;
      task.entries = table.entries;
      task.states = table.row_states.get() + begin;
      task.features = tables_.features_.data() + group.first_feature;
      task.n_features = static_cast<int>(group.n_features);
      active_kernels().pairs.add_rows(task);
    }
  }

  void write(std::int64_t begin, std::int64_t end) const {
    const double* from = totals_.get();
    for (std::int64_t row = begin; row < end; ++row, from += n_used_) {
      double* to = values_.data + row * values_.n_features;
      for (std::size_t i = 0; i < n_used_; ++i) to[encoding_.features[i]] += from[i];
    }
  }

  const PairTables& tables_;
  const Encoding& encoding_;
  const RowsView& rows_;
  const PairWeights& pairs_;
  const ValuesView& values_;
  const int n_threads_;
  const std::size_t n_columns_, n_used_, n_background_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Table> filled_;  // of a wave's groups
  AlignedBuffer<double> entries_;
  // Of a turn.
  AlignedBuffer<std::int8_t> bytes_;
  AlignedBuffer<std::int16_t> words_;  // where columns need them
  AlignedBuffer<double> weights_;      // [block of kJointRows][background row][kJointRows]
  AlignedBuffer<double> totals_;       // [row][feature]
};

void PairTables::explain(const RowsView& rows, const PairWeights& pairs, const ValuesView& values, int n_threads,
                         const InterruptCheck& check) const {
  if (rows.n_rows > 0) Call(*this, rows, pairs, values, std::max(n_threads, 1)).run(check);
}

}  // namespace fastexplain
