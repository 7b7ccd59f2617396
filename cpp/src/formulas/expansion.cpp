// For each background row, and batch of 64 terms: tables of the subsets of each team of players (subset_tables.h), then one
// pass over the coalitions. Cost n_background * n_terms * (n_masks + 2^(w+1)) * n_players / w for teams of w players. The sum
// over terms is taken by octets, batch after batch: the same bits for any number of threads, which share background rows.
#include "fastexplain/formulas/expansion.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "formulas/subset_tables.h"

namespace fastexplain {
namespace {

static_assert(kTermPad == kTermBatch);

constexpr double kLeastProbability = 1e-7;  // libsvm's bound on a pair's probability
constexpr int kMostIterations = 100;        // of the coupling, or one per class if those are more
constexpr double kTolerance = 0.005;        // divided by the number of classes

// What becomes of the combined numbers of a batch of terms.
void finish(TermKind kind, int degree, double* terms) {
  switch (kind) {
    case TermKind::kProduct:
      return;
    case TermKind::kRectified:
      for (std::int64_t t = 0; t < kTermBatch; ++t) terms[t] = terms[t] > 0 ? terms[t] : 0.0;
      return;
    case TermKind::kPower:
      for (std::int64_t t = 0; t < kTermBatch && degree > 1; ++t) {
        double power = terms[t];
        for (int i = 1; i < degree; ++i) power *= terms[t];
        terms[t] = power;
      }
      return;
    case TermKind::kTanh:
      for (std::int64_t t = 0; t < kTermBatch; ++t) terms[t] = std::tanh(terms[t]);
  }
}

// One background row: adds the batch's terms to out (n_masks, n_outputs).
void add_batch(const ExpansionTask& task, const SubsetPlan& plan, std::int64_t first, SubsetPlan::Tables& tables, double* out) {
  const SubsetKernels& kernels = active_kernels().subsets;
  for (std::int64_t m = 0; m < task.n_masks; ++m) {
    plan.gather(m, tables);
    finish(task.kind, task.degree, tables.terms);
    for (std::int64_t k = 0; k < task.n_outputs; ++k)
      out[m * task.n_outputs + k] += kernels.dot({tables.terms, task.coefficients + k * task.n_terms + first});
  }
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
  const SubsetPlan plan(task.masks, task.n_masks, task.n_players,
                        task.kind == TermKind::kProduct ? Combine::kMultiply : Combine::kAdd);
  std::vector<std::optional<SubsetPlan::Tables>> scratch(static_cast<std::size_t>(n_threads));
  parallel_for(
      task.n_background, n_threads,
      [&](std::int64_t b, int worker) {
        std::optional<SubsetPlan::Tables>& tables = scratch[static_cast<std::size_t>(worker)];
        if (!tables) tables.emplace(plan);
        const double* background = task.background + b * task.n_players * task.n_terms;
        double* out = task.out + b * task.n_masks * task.n_outputs;
        std::fill(out, out + task.n_masks * task.n_outputs, 0.0);
        for (std::int64_t first = 0; first < task.n_terms; first += kTermBatch) {
          checkpoint();
          plan.build(task.row + first, background + first, task.n_terms, *tables);
          add_batch(task, plan, first, *tables, out);
        }
      },
      check);
}

void couple_probabilities(const CouplingTask& task, int n_threads, const InterruptCheck& check) {
  constexpr std::int64_t kBlock = 256;
  const std::int64_t n_classes = task.n_classes, n_pairs = n_classes * (n_classes - 1) / 2;
  parallel_for((task.n_rows + kBlock - 1) / kBlock, n_threads,
               [&](std::int64_t block, int) {
                 Coupling coupling(n_classes);
                 std::vector<double> pairwise(static_cast<std::size_t>(n_classes * n_classes));
                 for (std::int64_t row = block * kBlock; row < std::min(task.n_rows, (block + 1) * kBlock); ++row) {
                   checkpoint();
                   const double* decisions = task.decisions + row * n_pairs;
                   std::int64_t pair = 0;
                   for (std::int64_t i = 0; i < n_classes; ++i)
                     for (std::int64_t j = i + 1; j < n_classes; ++j, ++pair) {
                       const double p = falling_sigmoid(decisions[pair] * task.slope[pair] + task.shift[pair]);
                       pairwise[i * n_classes + j] = std::min(std::max(p, kLeastProbability), 1 - kLeastProbability);
                       pairwise[j * n_classes + i] = 1 - pairwise[i * n_classes + j];
                     }
                   coupling.solve(pairwise.data(), task.out + row * n_classes);
                 }
               },
               check);
}

}  // namespace fastexplain
