// For each background row, and tile of 64 terms: tables of the subsets of each chunk of players (subset_tables.h), then one
// pass over the coalitions. Cost n_background * n_terms * (n_masks + 2^(w+1)) * n_players / w for chunks of w players. The sum
// over terms runs in eight lanes, tile after tile: the same bits for any number of threads, which share background rows.
#include "fastexplain/expansion.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "subset_tables.h"

namespace fastexplain {
namespace {

static_assert(kTermPad == kTile);

constexpr double kLeastProbability = 1e-7;  // libsvm's bound on a pair's probability
constexpr int kMostIterations = 100;        // of the coupling, or one per class if those are more
constexpr double kTolerance = 0.005;        // divided by the number of classes

struct Product {
  static constexpr double kNeutral = 1;
  static void combine(Octet& a, const Octet& b) { a *= b; }
  void finish(Octet&) const {}
};

struct Sum {
  static constexpr double kNeutral = 0;
  static void combine(Octet& a, const Octet& b) { a += b; }
};

struct Rectified : Sum {
  void finish(Octet& a) const { a = a > 0.0 ? a : Octet{}; }
};

struct Power : Sum {
  int degree;
  explicit Power(int d) : degree(d) {}
  void finish(Octet& a) const {
    Octet power = a;
    for (int i = 1; i < degree; ++i) power *= a;
    a = power;
  }
};

struct Tanh : Sum {
  void finish(Octet& a) const {
    for (int lane = 0; lane < 8; ++lane) a[lane] = std::tanh(a[lane]);
  }
};

// One background row: adds the tile's terms to out (n_masks, n_outputs).
template <class Term>
void add_tile(const ExpansionTask& task, const SubsetPlan& plan, const std::vector<Tile>& tables, std::int64_t first,
              const Term& term, double* out) {
  const std::int64_t n_chunks = plan.n_chunks();
  for (std::int64_t m = 0; m < task.n_masks; ++m) {
    const std::uint8_t* subsets = plan.subsets(m);
    Tile terms = plan.chunk(tables, 0)[subsets[0]];
    for (std::int64_t c = 1; c < n_chunks; ++c) {
      const Tile& part = plan.chunk(tables, c)[subsets[c]];
      for (int v = 0; v < kTileOctets; ++v) Term::combine(terms.octets[v], part.octets[v]);
    }
    for (int v = 0; v < kTileOctets; ++v) term.finish(terms.octets[v]);
    for (std::int64_t k = 0; k < task.n_outputs; ++k) {
      const auto* coefficients = reinterpret_cast<const Octet*>(task.coefficients + k * task.n_terms + first);
      Octet sums = terms.octets[0] * coefficients[0];
      for (int v = 1; v < kTileOctets; ++v) sums += terms.octets[v] * coefficients[v];
      out[m * task.n_outputs + k] +=
          ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }
  }
}

template <class Term>
void expand_all(const ExpansionTask& task, const Term& term, int n_threads, const InterruptCheck& check) {
  const SubsetPlan plan(task.masks, task.n_masks, task.n_players);
  std::vector<std::vector<Tile>> scratch(static_cast<std::size_t>(n_threads));
  parallel_for(
      task.n_background, n_threads,
      [&](std::int64_t b, int worker) {
        std::vector<Tile>& tables = scratch[static_cast<std::size_t>(worker)];
        tables.resize(plan.n_tiles());
        const double* background = task.background + b * task.n_players * task.n_terms;
        double* out = task.out + b * task.n_masks * task.n_outputs;
        std::fill(out, out + task.n_masks * task.n_outputs, 0.0);
        for (std::int64_t first = 0; first < task.n_terms; first += kTile) {
          plan.build(task.row + first, background + first, task.n_terms, Term::kNeutral, Term::combine, tables);
          add_tile(task, plan, tables, first, term, out);
        }
      },
      check);
}

// One row's class probabilities from those of its pairs, r[i * n + j] = P(i | i or j).
class Coupling {
 public:
  explicit Coupling(std::int64_t n) : n_(n), q_(static_cast<std::size_t>(n * n)), product_(static_cast<std::size_t>(n)) {}

  void solve(const double* r, double* p) {
    for (std::int64_t t = 0; t < n_; ++t) {
      p[t] = 1.0 / static_cast<double>(n_);
      q_[t * n_ + t] = 0;
      for (std::int64_t j = 0; j < n_; ++j) {
        if (j == t) continue;
        q_[t * n_ + t] += r[j * n_ + t] * r[j * n_ + t];
        q_[t * n_ + j] = -r[j * n_ + t] * r[t * n_ + j];
      }
    }
    const std::int64_t most = std::max<std::int64_t>(kMostIterations, n_);
    for (std::int64_t iteration = 0; iteration < most; ++iteration) {
      double form = multiply(p);
      double error = 0;
      for (std::int64_t t = 0; t < n_; ++t) error = std::max(error, std::abs(product_[t] - form));
      if (error < kTolerance / static_cast<double>(n_)) return;
      for (std::int64_t t = 0; t < n_; ++t) form = step(p, t, form);
    }
  }

 private:
  // Q p, and p' Q p
  double multiply(const double* p) {
    double form = 0;
    for (std::int64_t t = 0; t < n_; ++t) {
      product_[t] = 0;
      for (std::int64_t j = 0; j < n_; ++j) product_[t] += q_[t * n_ + j] * p[j];
      form += p[t] * product_[t];
    }
    return form;
  }

  // Moves p_t to its optimum and scales all to a sum of 1; the products follow.
  double step(double* p, std::int64_t t, double form) {
    const double own = q_[t * n_ + t], change = (form - product_[t]) / own, scale = 1 + change;
    p[t] += change;
    form = (form + change * (change * own + 2 * product_[t])) / scale / scale;
    for (std::int64_t j = 0; j < n_; ++j) {
      product_[j] = (product_[j] + change * q_[t * n_ + j]) / scale;
      p[j] /= scale;
    }
    return form;
  }

  std::int64_t n_;
  std::vector<double> q_, product_;
};

// 1 / (1 + exp(z)), without overflow
double falling_sigmoid(double z) { return z >= 0 ? std::exp(-z) / (1 + std::exp(-z)) : 1 / (1 + std::exp(z)); }

}  // namespace

void expand(const ExpansionTask& task, int n_threads, const InterruptCheck& check) {
  switch (task.kind) {
    case TermKind::kProduct:
      return expand_all(task, Product{}, n_threads, check);
    case TermKind::kRectified:
      return expand_all(task, Rectified{}, n_threads, check);
    case TermKind::kPower:
      return expand_all(task, Power(task.degree), n_threads, check);
    case TermKind::kTanh:
      return expand_all(task, Tanh{}, n_threads, check);
  }
}

void couple_probabilities(const double* decisions, std::int64_t n_rows, std::int64_t n_classes, const double* slope,
                          const double* shift, double* out, int n_threads, const InterruptCheck& check) {
  constexpr std::int64_t kBlock = 256;
  const std::int64_t n_pairs = n_classes * (n_classes - 1) / 2;
  parallel_for(
      (n_rows + kBlock - 1) / kBlock, n_threads,
      [&](std::int64_t block, int) {
        Coupling coupling(n_classes);
        std::vector<double> pairwise(static_cast<std::size_t>(n_classes * n_classes));
        for (std::int64_t row = block * kBlock; row < std::min(n_rows, (block + 1) * kBlock); ++row) {
          std::int64_t pair = 0;
          for (std::int64_t i = 0; i < n_classes; ++i)
            for (std::int64_t j = i + 1; j < n_classes; ++j, ++pair) {
              const double p = falling_sigmoid(decisions[row * n_pairs + pair] * slope[pair] + shift[pair]);
              pairwise[i * n_classes + j] = std::min(std::max(p, kLeastProbability), 1 - kLeastProbability);
              pairwise[j * n_classes + i] = 1 - pairwise[i * n_classes + j];
            }
          coupling.solve(pairwise.data(), out + row * n_classes);
        }
      },
      check);
}

}  // namespace fastexplain
