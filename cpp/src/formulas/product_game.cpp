#include "fastexplain/formulas/product_game.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "aligned_buffer.h"
#include "isa/kernels.h"

namespace fastexplain {

static_assert(kTermLanes == kOctet);

namespace {

// Blocks of terms, and background rows, of one piece of work: pieces are summed in order, whichever thread took them.
constexpr std::int64_t kPieceBlocks = 8;
constexpr std::int64_t kPieceBackground = 16;
// Partial sums held at one time.
constexpr std::int64_t kPartialValues = std::int64_t{1} << 22;

std::vector<NodeRule> node_rules(const PairRules& rules) {
  std::vector<NodeRule> nodes;
  for (std::size_t i = 0; i < rules.reach.size(); ++i)
    nodes.push_back(
        {rules.n_pairs[i], rules.offsets[i].data(), rules.weights[i].data(), rules.reach[i], std::log(rules.reach[i])});
  return nodes;
}

// Memory of one thread.
struct Scratch {
  Scratch(std::size_t n_scratch, std::size_t n_coefficients, std::size_t n_players)
      : scratch(n_scratch), coefficients(n_coefficients), sums(n_players * kOctet), active(n_players) {}
  AlignedBuffer<double> scratch, coefficients, sums;
  std::vector<int> active;
};

using Workers = std::vector<std::unique_ptr<Scratch>>;

// Runs piece(row, number, scratch, partial) for all pieces of rows, then adds each row's partial sums in order.
template <class Piece, class Open>
void in_pieces(std::int64_t n_rows, std::int64_t n_pieces, std::int64_t n_values, double* values, int n_threads,
               const InterruptCheck& check, const Open& open, const Piece& piece) {
  Workers workers(static_cast<std::size_t>(n_threads));
  // Rows whose partial sums are held together.
  const std::int64_t round = std::clamp<std::int64_t>(kPartialValues / std::max<std::int64_t>(1, n_pieces * n_values), 1,
                                                      std::max<std::int64_t>(1, n_rows));
  std::vector<double> partial(static_cast<std::size_t>(round * n_pieces * n_values));
  for (std::int64_t begin = 0; begin < n_rows; begin += round) {
    const std::int64_t n_round = std::min(round, n_rows - begin);
    parallel_for(
        n_round * n_pieces, n_threads,
        [&](std::int64_t index, int worker) {
          auto& scratch = workers[static_cast<std::size_t>(worker)];
          if (!scratch) scratch = open();
          piece(begin + index / n_pieces, index % n_pieces, *scratch, partial.data() + index * n_values);
        },
        check);
    for (std::int64_t row = 0; row < n_round; ++row)
      for (std::int64_t number = 0; number < n_pieces; ++number)
        for (std::int64_t i = 0; i < n_values; ++i)
          values[(begin + row) * n_values + i] += partial[static_cast<std::size_t>((row * n_pieces + number) * n_values + i)];
  }
}

// Sum over lanes, in one order.
double sum_lanes(const double* lanes) {
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

}  // namespace

void product_game(const ProductGameView& game, const PairRules& rules, double* values, int n_threads,
                  const InterruptCheck& check) {
  const ProductKernels& kernels = active_kernels().products;
  const std::vector<NodeRule> nodes = node_rules(rules);
  const std::int64_t block_size = std::int64_t{game.n_players} * kOctet;
  const std::int64_t n_values = std::int64_t{game.n_players} * game.n_outputs;
  const std::int64_t n_pieces = (game.n_blocks + kPieceBlocks - 1) / kPieceBlocks;
  const auto n_players = static_cast<std::size_t>(game.n_players);
  const auto open = [&] { return std::make_unique<Scratch>(product_scratch(n_players), 0, n_players); };
  in_pieces(game.n_rows, n_pieces, n_values, values, n_threads, check, open,
            [&](std::int64_t row, std::int64_t number, Scratch& scratch, double* partial) {
              std::fill_n(partial, n_values, 0.0);
              const std::int64_t last = std::min(game.n_blocks, (number + 1) * kPieceBlocks);
              for (std::int64_t block = number * kPieceBlocks; block < last; ++block) {
                checkpoint();
                ProductTask task{};
                task.n_players = game.n_players;
                task.n_background = static_cast<int>(game.n_background);
                task.row = game.row_factors + (row * game.n_blocks + block) * block_size;
                task.background = game.background_factors + block * game.n_background * block_size;
                task.weights = game.weights;
                task.rules = nodes.data();
                task.n_rules = static_cast<int>(nodes.size());
                task.scratch = scratch.scratch.get();
                task.active = scratch.active.data();
                task.sums = scratch.sums.get();
                kernels.product(task);
                const double* coefficients =
                    game.coefficients + row * game.coefficient_stride + block * game.n_outputs * kOctet;
                for (std::int32_t player = 0; player < game.n_players; ++player)
                  for (std::int32_t output = 0; output < game.n_outputs; ++output) {
                    double lanes[kOctet];
                    for (int lane = 0; lane < kOctet; ++lane)
                      lanes[lane] = task.sums[player * kOctet + lane] * coefficients[output * kOctet + lane];
                    partial[player * game.n_outputs + output] += sum_lanes(lanes);
                  }
              }
            });
}

void sigmoid_game(const SigmoidGameView& game, const SineRules& sines, const PairRules& rules, double* values, int n_threads,
                  const InterruptCheck& check) {
  const ProductKernels& kernels = active_kernels().products;
  const std::vector<NodeRule> nodes = node_rules(rules);
  std::vector<SineFit> fits;
  std::vector<SineSeries> series;
  std::size_t most_terms = 0;
  for (const auto& fit : sines.fits) {
    fits.push_back({fit.reach, fit.base, fit.n_terms, static_cast<int>(fit.sinh.size()), fit.sinh.data(), fit.cosh.data(),
                    fit.first.data(), fit.second.data()});
    most_terms = std::max<std::size_t>(most_terms, static_cast<std::size_t>(fit.n_terms));
  }
  for (const auto& one : sines.series) {
    series.push_back({one.reach, one.base, static_cast<int>(one.coefficients.size()), one.coefficients.data()});
    most_terms = std::max(most_terms, one.coefficients.size());
  }
  const auto n_players = static_cast<std::size_t>(game.n_players);
  const std::int64_t n_pieces = (game.n_background + kPieceBackground - 1) / kPieceBackground;
  const auto open = [&] { return std::make_unique<Scratch>(sine_scratch(n_players), 2 * most_terms, n_players); };
  std::fill_n(values, game.n_rows * game.n_players, 0.0);
  in_pieces(game.n_rows, n_pieces, game.n_players, values, n_threads, check, open,
            [&](std::int64_t row, std::int64_t number, Scratch& scratch, double* partial) {
              const std::int64_t first = number * kPieceBackground;
              SineTask task{};
              task.n_players = game.n_players;
              task.n_background = static_cast<int>(std::min(kPieceBackground, game.n_background - first));
              task.row = game.row_terms + row * game.n_players;
              task.background = game.background_terms + first * game.n_players;
              task.margins = game.margins + first;
              task.weights = game.weights + first;
              task.rules = nodes.data();
              task.n_rules = static_cast<int>(nodes.size());
              task.fits = fits.data();
              task.n_fits = static_cast<int>(fits.size());
              task.series = series.data();
              task.n_series = static_cast<int>(series.size());
              task.scratch = scratch.scratch.get();
              task.coefficients = scratch.coefficients.get();
              task.active = scratch.active.data();
              task.sums = scratch.sums.get();
              kernels.sine(task);
              for (std::int32_t player = 0; player < game.n_players; ++player)
                partial[player] = sum_lanes(task.sums + player * kOctet);
            });
}

}  // namespace fastexplain
