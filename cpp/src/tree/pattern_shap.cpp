#include "tree/pattern_shap.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "isa/kernels.h"

namespace fastexplain {
namespace {

// The largest buffer for sums of segments that several threads work on.
constexpr std::size_t kMaxPartialBytes = 16u << 20;
// Look-ups that are worth another thread: waking it takes some ten microseconds.
constexpr std::int64_t kThreadLookUps = 50'000;
// No more rows than this are explained one by one.
constexpr std::int64_t kFewRows = 3;

template <class T>
class Call {
 public:
  Call(const PatternTables<T>& tables, const Encoding& encoding, const SumLayout& layout, const RowsView& rows,
       const ValuesView& values)
      : tables_(tables),
        encoding_(encoding),
        layout_(layout),
        rows_(rows),
        values_(values),
        n_columns_(encoding.columns.size()),
        row_sums_(tables.row_chunks() * kChunkLanes<T>),
        n_tiles_((rows.n_rows + kTileRows - 1) / kTileRows) {}

  void run(int n_threads, const InterruptCheck& check) const {
    if (!tables_.are_kept()) return run_by_turns(n_threads, check);
    if (rows_.n_rows <= kFewRows) return run_rows();
    const std::int64_t look_ups = rows_.n_rows * static_cast<std::int64_t>(tables_.n_groups());
    n_threads = static_cast<int>(std::clamp<std::int64_t>(look_ups / kThreadLookUps, 1, n_threads));
    // Few rows: smaller blocks rather than idle threads.
    const std::int64_t largest = block_rows<T>(static_cast<std::int64_t>(tables_.row_chunks())) / kTileRows;
    const std::int64_t block_tiles = std::clamp<std::int64_t>(n_tiles_ / (2 * n_threads), 1, largest);
    const std::int64_t n_blocks = (n_tiles_ + block_tiles - 1) / block_tiles;
    const std::size_t partial = static_cast<std::size_t>(rows_.n_rows) * row_sums_ * sizeof(T) * tables_.n_segments();
    if (n_threads > 1 && n_blocks < 2 * n_threads && tables_.n_segments() > 1 && partial <= kMaxPartialBytes)
      run_by_segments(n_threads, check);
    else
      run_by_rows(block_tiles, n_blocks, n_threads, check);
  }

 private:
  struct Scratch {
    AlignedBuffer<std::int16_t> words;
    AlignedBuffer<std::int8_t> bytes;
    AlignedBuffer<T> sums;
    AlignedBuffer<double> totals;
    AlignedBuffer<std::uint16_t> index;
  };

  void run_rows() const {
    AlignedBuffer<std::int16_t> words(n_columns_ * kTileRows), codes(n_columns_);
    AlignedBuffer<std::uint8_t> parts(tables_.max_segment_steps() + 1);
    AlignedBuffer<T> sums(row_sums_);
    AlignedBuffer<double> totals(row_sums_);
    std::fill_n(sums.get(), row_sums_, T{0});
    encoding_.encode(rows_, 0, words.get());
    for (std::int64_t row = 0; row < rows_.n_rows; ++row) {
      for (std::size_t c = 0; c < n_columns_; ++c) {
        const std::int16_t code = words.get()[c * kTileRows + row];
        codes.get()[c] = encoding_.has_byte_codes(c) ? std::min<std::int16_t>(code, 255) - kByteOffset : code;
      }
      std::fill_n(totals.get(), row_sums_, 0.0);
      for (std::size_t segment = 0; segment < tables_.n_segments(); ++segment) {
        tables_.sum_row(segment, codes.get(), sums.get(), parts.get());
        tables_.flush(segment, 1, sums.get(), totals.get());
      }
      write(row, row + 1, totals.get());
    }
  }

  void run_by_rows(std::int64_t block_tiles, std::int64_t n_blocks, int n_threads, const InterruptCheck& check) const {
    std::vector<std::unique_ptr<Scratch>> scratch(n_threads);
    const std::int64_t block_rows = block_tiles * kTileRows;
    const std::size_t n_sums = static_cast<std::size_t>(std::min(block_rows, rows_.n_rows)) * row_sums_;
    parallel_for(
        n_blocks, n_threads,
        [&](std::int64_t block, int worker) {
          auto& mine = scratch[worker];
          if (!mine) {
            mine = allocate(block_tiles, n_sums);
            mine->totals.resize(n_sums);
          }
          const std::int64_t begin = block * block_rows, end = std::min(begin + block_rows, rows_.n_rows);
          const PatternCodes codes = encode(begin, end, *mine);
          std::fill_n(mine->totals.get(), static_cast<std::size_t>(end - begin) * row_sums_, 0.0);
          for (std::size_t segment = 0; segment < tables_.n_segments(); ++segment) {
            tables_.sum(segment, tables_.entries(segment), codes, end - begin, mine->sums.get(), mine->index.get());
            tables_.flush(segment, end - begin, mine->sums.get(), mine->totals.get());
            checkpoint();
          }
          write(begin, end, mine->totals.get());
        },
        check);
  }

  // Few rows for many threads: every segment is a task of its own. They are added up in the same order.
  void run_by_segments(int n_threads, const InterruptCheck& check) const {
    const std::size_t n_sums = static_cast<std::size_t>(rows_.n_rows) * row_sums_, n_segments = tables_.n_segments();
    const auto common = allocate(n_tiles_, 0);
    const PatternCodes codes = encode(0, rows_.n_rows, *common);
    AlignedBuffer<T> sums(n_sums * n_segments);
    AlignedBuffer<double> totals(n_sums);
    std::vector<AlignedBuffer<std::uint16_t>> index(n_threads);
    for (auto& buffer : index) buffer.resize(kBatchGroups * kTileRows);
    parallel_for(
        static_cast<std::int64_t>(n_segments), n_threads,
        [&](std::int64_t segment, int worker) {
          T* of_segment = sums.get() + segment * n_sums;
          std::fill_n(of_segment, n_sums, T{0});
          tables_.sum(segment, tables_.entries(segment), codes, rows_.n_rows, of_segment, index[worker].get());
        },
        check);
    std::fill_n(totals.get(), n_sums, 0.0);
    for (std::size_t segment = 0; segment < n_segments; ++segment)
      tables_.flush(segment, rows_.n_rows, sums.get() + segment * n_sums, totals.get());
    write(0, rows_.n_rows, totals.get());
  }

  // Tables that are filled by this call: as many segments at a time as there are threads, for as many rows as a turn has.
  void run_by_turns(int n_threads, const InterruptCheck& check) const {
    const std::int64_t turn = turn_rows<T>(static_cast<std::int64_t>(tables_.row_chunks()), encoding_);
    std::vector<std::unique_ptr<Worker>> workers(n_threads);
    std::vector<AlignedBuffer<T>> entries(std::min<std::size_t>(n_threads, tables_.n_segments()));
    for (auto& buffer : entries) buffer.resize(tables_.most_entries() * kChunkLanes<T>);
    const auto common = allocate(std::min((turn + kTileRows - 1) / kTileRows, n_tiles_), 0);
    common->totals.resize(static_cast<std::size_t>(std::min(turn, rows_.n_rows)) * row_sums_);
    for (std::int64_t begin = 0; begin < rows_.n_rows; begin += turn) {
      const std::int64_t end = std::min(begin + turn, rows_.n_rows);
      const PatternCodes codes = encode(begin, end, *common);
      std::fill_n(common->totals.get(), static_cast<std::size_t>(end - begin) * row_sums_, 0.0);
      for (std::size_t first = 0; first < tables_.n_segments(); first += entries.size()) {
        const std::size_t n_segments = std::min(entries.size(), tables_.n_segments() - first);
        parallel_for(
            static_cast<std::int64_t>(n_segments), n_threads,
            [&](std::int64_t i, int worker) { tables_.fill(first + i, worker_of(workers, worker).filler, entries[i].get()); },
            check);
        add_segments(first, n_segments, entries, codes, end - begin, workers, common->totals.get(), check);
      }
      write(begin, end, common->totals.get());
    }
  }

  // What a thread needs to fill tables and to add their entries to a block's sums.
  struct Worker {
    Worker(const SumLayout& layout, std::size_t n_sums) : filler(layout), sums(n_sums), index(kBatchGroups * kTileRows) {
      std::fill_n(sums.get(), n_sums, T{0});
    }
    GroupFiller<T> filler;
    AlignedBuffer<T> sums;
    AlignedBuffer<std::uint16_t> index;
  };

  Worker& worker_of(std::vector<std::unique_ptr<Worker>>& workers, int number) const {
    auto& mine = workers[number];
    if (!mine) {
      const std::int64_t rows = std::min(block_rows<T>(static_cast<std::int64_t>(tables_.row_chunks())), n_tiles_ * kTileRows);
      mine = std::make_unique<Worker>(layout_, static_cast<std::size_t>(rows) * row_sums_);
    }
    return *mine;
  }

  // Adds some segments, whose entries are at hand, to the totals of n_rows rows.
  void add_segments(std::size_t first, std::size_t n_segments, const std::vector<AlignedBuffer<T>>& entries,
                    const PatternCodes& codes, std::int64_t n_rows, std::vector<std::unique_ptr<Worker>>& workers,
                    double* totals, const InterruptCheck& check) const {
    const std::int64_t n_tiles = (n_rows + kTileRows - 1) / kTileRows, n_threads = static_cast<std::int64_t>(workers.size());
    const std::int64_t largest = block_rows<T>(static_cast<std::int64_t>(tables_.row_chunks())) / kTileRows;
    const std::int64_t block_tiles = std::clamp<std::int64_t>(n_tiles / (2 * n_threads), 1, largest);
    parallel_for(
        (n_tiles + block_tiles - 1) / block_tiles, static_cast<int>(n_threads),
        [&](std::int64_t block, int worker) {
          Worker& mine = worker_of(workers, worker);
          const std::int64_t row = block * block_tiles * kTileRows, n = std::min(block_tiles * kTileRows, n_rows - row);
          const std::size_t at = block * block_tiles * codes.tile_codes;
          const PatternCodes here{codes.bytes + at, codes.words == nullptr ? nullptr : codes.words + at, codes.tile_codes};
          for (std::size_t i = 0; i < n_segments; ++i) {
            tables_.sum(first + i, entries[i].get(), here, n, mine.sums.get(), mine.index.get());
            tables_.flush(first + i, n, mine.sums.get(), totals + row * row_sums_);
          }
        },
        check);
  }

  std::unique_ptr<Scratch> allocate(std::int64_t n_tiles, std::size_t n_sums) const {
    auto scratch = std::make_unique<Scratch>();
    const std::size_t n_codes = static_cast<std::size_t>(n_tiles) * n_columns_ * kTileRows;
    scratch->words.resize(tables_.needs_words() ? n_codes : n_columns_ * kTileRows);
    scratch->bytes.resize(n_codes);
    scratch->sums.resize(n_sums);
    std::fill_n(scratch->sums.get(), n_sums, T{0});
    scratch->index.resize(kBatchGroups * kTileRows);
    return scratch;
  }

  PatternCodes encode(std::int64_t begin, std::int64_t end, const Scratch& scratch) const {
    const std::size_t tile_codes = n_columns_ * kTileRows;
    const bool keep = tables_.needs_words();
    for (std::int64_t row = begin, tile = 0; row < end; row += kTileRows, ++tile) {
      std::int16_t* words = scratch.words.get() + (keep ? tile * tile_codes : 0);
      encoding_.encode(rows_, row, words);
      active_kernels().patterns.narrow(words, tile_codes, scratch.bytes.get() + tile * tile_codes);
    }
    return {scratch.bytes.get(), keep ? scratch.words.get() : nullptr, tile_codes};
  }

  // [row][output][slot] -> [row][feature][output]
  void write(std::int64_t begin, std::int64_t end, const double* totals) const {
    const std::size_t n_outputs = encoding_.n_outputs, row_values = n_outputs * encoding_.n_features;
    const std::size_t of_output = static_cast<std::size_t>(layout_.n_chunks) * kChunkLanes<T>;
    for (std::int64_t row = begin; row < end; ++row, totals += row_sums_) {
      double* to = values_.data + row * row_values;
      for (std::size_t i = 0; i < layout_.slot.size(); ++i)
        for (std::size_t output = 0; output < n_outputs; ++output)
          to[encoding_.features[i] * n_outputs + output] += totals[output * of_output + layout_.slot[i]];
    }
  }

  const PatternTables<T>& tables_;
  const Encoding& encoding_;
  const SumLayout& layout_;
  const RowsView& rows_;
  const ValuesView& values_;
  const std::size_t n_columns_, row_sums_;
  const std::int64_t n_tiles_;
};

}  // namespace

template <class T>
void explain_by_patterns(const PatternTables<T>& tables, const Encoding& encoding, const SumLayout& layout,
                         const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check) {
  if (rows.n_rows > 0 && !tables.empty()) Call<T>(tables, encoding, layout, rows, values).run(std::max(n_threads, 1), check);
}

template void explain_by_patterns(const PatternTables<float>&, const Encoding&, const SumLayout&, const RowsView&,
                                  const ValuesView&, int, const InterruptCheck&);
template void explain_by_patterns(const PatternTables<double>&, const Encoding&, const SumLayout&, const RowsView&,
                                  const ValuesView&, int, const InterruptCheck&);

}  // namespace fastexplain
