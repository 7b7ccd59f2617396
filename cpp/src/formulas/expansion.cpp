// For each background row, and batch of a few terms: tables of the subsets of each team of players (subset_tables.h), then one
// pass over the coalitions. Cost n_background * n_terms * (n_masks + 2^(w+1)) * n_players / w for teams of w players. The sum
// over terms is taken by octets, batch after batch: the same bits for any number of threads, which share background rows.
#include "fastexplain/formulas/expansion.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "aligned_buffer.h"
#include "formulas/subset_tables.h"
#include "tiny_numbers.h"

namespace fastexplain {
namespace {

static_assert(kTermPad == kTermBatch && kTermPad % kFewTerms == 0);

constexpr double kLeastProbability = 1e-7;  // libsvm's bound on a pair's probability
constexpr int kMostIterations = 100;        // of the coupling, or one per class if those are more
constexpr double kTolerance = 0.005;        // divided by the number of classes

// One background row, tanh of whose sums is taken one by one: adds the batch's terms to out (n_masks, n_outputs).
void add_tanh(const ExpansionTask& task, const SubsetPlan& plan, std::int64_t first, SubsetPlan::Tables& tables, double* out) {
  const SubsetKernels& kernels = active_kernels().subsets;
  for (std::int64_t m = 0; m < task.n_masks; ++m) {
    plan.gather(m, tables);
    for (double& term : tables.terms) term = std::tanh(term);
    for (std::int64_t k = 0; k < task.n_outputs; ++k)
      out[m * task.n_outputs + k] += kernels.dot({tables.terms, task.coefficients + k * task.n_terms + first});
  }
}

void expand_tanh(const ExpansionTask& task, int n_threads, const InterruptCheck& check) {
  const SubsetPlan plan(task.masks, task.n_masks, task.n_players, Combine::kAdd);
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
          add_tanh(task, plan, first, *tables, out);
        }
      },
      check);
}

// All other kinds: a batch of few terms and a block of coalitions, so that the tables and what has been added up stay near.
class Expander {
 public:
  Expander(const ExpansionTask& task, const SubsetPlan& plan, const std::vector<std::uint32_t>& offsets)
      : task_(task),
        plan_(plan),
        offsets_(offsets),
        tables_(plan),
        sums_(static_cast<std::size_t>(std::min(kMaskBlock, task.n_masks) * task.n_outputs * kOctet)) {}

  void run(std::int64_t b) {
    const TinyAsZero tiny;
    for (std::int64_t first = 0; first < task_.n_masks; first += kMaskBlock)
      add_block(b, first, std::min(kMaskBlock, task_.n_masks - first));
  }

 private:
  static constexpr std::int64_t kMaskBlock = 2048;

  void add_block(std::int64_t b, std::int64_t first_mask, std::int64_t n_masks) {
    const std::int64_t n_sums = n_masks * task_.n_outputs;
    std::fill_n(sums_.get(), n_sums * kOctet, 0.0);
    const double* background = task_.background + b * task_.n_players * task_.n_terms;
    for (std::int64_t first = 0; first < task_.n_terms; first += kFewTerms) {
      checkpoint();
      plan_.build(task_.row + first, background + first, task_.n_terms, tables_);
      active_kernels().subsets.add({.combine = task_.kind == TermKind::kProduct ? Combine::kMultiply : Combine::kAdd,
                                    .finish = task_.kind == TermKind::kRectified ? Finish::kRectify : Finish::kRaise,
                                    .degree = task_.degree,
                                    .tables = tables_.entries.get(),
                                    .offsets = offsets_.data() + first_mask * plan_.n_teams(),
                                    .n_masks = n_masks,
                                    .n_teams = plan_.n_teams(),
                                    .coefficients = task_.coefficients + first,
                                    .n_outputs = task_.n_outputs,
                                    .stride = task_.n_terms,
                                    .sums = sums_.get()});
    }
    double* out = task_.out + (b * task_.n_masks + first_mask) * task_.n_outputs;
    for (std::int64_t i = 0; i < n_sums; ++i) out[i] = sum_of(sums_.get() + i * kOctet);
  }

  static double sum_of(const double* at) { return ((at[0] + at[1]) + (at[2] + at[3])) + ((at[4] + at[5]) + (at[6] + at[7])); }

  const ExpansionTask& task_;
  const SubsetPlan& plan_;
  const std::vector<std::uint32_t>& offsets_;
  SubsetPlan::Tables tables_;
  AlignedBuffer<double> sums_;
};

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
  if (task.kind == TermKind::kTanh) return expand_tanh(task, n_threads, check);
  const SubsetPlan plan(task.masks, task.n_masks, task.n_players,
                        task.kind == TermKind::kProduct ? Combine::kMultiply : Combine::kAdd, kFewTerms);
  const std::vector<std::uint32_t> offsets = plan.offsets();
  std::vector<std::unique_ptr<Expander>> expanders(static_cast<std::size_t>(n_threads));
  parallel_for(
      task.n_background, n_threads,
      [&](std::int64_t b, int worker) {
        std::unique_ptr<Expander>& mine = expanders[static_cast<std::size_t>(worker)];
        if (!mine) mine = std::make_unique<Expander>(task, plan, offsets);
        mine->run(b);
      },
      check);
}

namespace {

constexpr std::int64_t kRowBlock = 256;

double bounded_sigmoid(const CouplingTask& task, std::int64_t pair, double decision) {
  const double p = falling_sigmoid(decision * task.slope[pair] + task.shift[pair]);
  return std::min(std::max(p, kLeastProbability), 1 - kLeastProbability);
}

// Rows in lanes.
void couple_two_classes(const CouplingTask& task, std::int64_t begin, std::int64_t end) {
  double first[kRowBlock], out[kRowBlock], rest[kRowBlock];
  std::fill_n(first, kRowBlock, 0.5);
  for (std::int64_t row = begin; row < end; ++row) first[row - begin] = bounded_sigmoid(task, 0, task.decisions[row]);
  active_kernels().subsets.couple_two({.first = first,
                                       .n = (end - begin + kOctet - 1) / kOctet * kOctet,
                                       .most_iterations = kMostIterations,
                                       .tolerance = kTolerance / 2,
                                       .out = out,
                                       .rest = rest});
  for (std::int64_t row = begin; row < end; ++row) {
    task.out[2 * row] = out[row - begin];
    task.out[2 * row + 1] = rest[row - begin];
  }
}

void couple_classes(const CouplingTask& task, std::int64_t begin, std::int64_t end) {
  const std::int64_t n_classes = task.n_classes, n_pairs = n_classes * (n_classes - 1) / 2;
  Coupling coupling(n_classes);
  std::vector<double> pairwise(static_cast<std::size_t>(n_classes * n_classes));
  for (std::int64_t row = begin; row < end; ++row) {
    checkpoint();
    std::int64_t pair = 0;
    for (std::int64_t i = 0; i < n_classes; ++i)
      for (std::int64_t j = i + 1; j < n_classes; ++j, ++pair) {
        pairwise[i * n_classes + j] = bounded_sigmoid(task, pair, task.decisions[row * n_pairs + pair]);
        pairwise[j * n_classes + i] = 1 - pairwise[i * n_classes + j];
      }
    coupling.solve(pairwise.data(), task.out + row * n_classes);
  }
}

}  // namespace

void couple_probabilities(const CouplingTask& task, int n_threads, const InterruptCheck& check) {
  parallel_for((task.n_rows + kRowBlock - 1) / kRowBlock, n_threads,
               [&](std::int64_t block, int) {
                 const std::int64_t begin = block * kRowBlock, end = std::min(task.n_rows, begin + kRowBlock);
                 return task.n_classes == 2 ? couple_two_classes(task, begin, end) : couple_classes(task, begin, end);
               },
               check);
}

}  // namespace fastexplain
