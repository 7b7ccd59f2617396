// Metrics of many stacked predictions of the same rows at once: one task per prediction vector.
//
// Each kernel writes what every row contributes, so that scores, their standard errors and per-row contributions come from one
// pass. n: rows, m: prediction vectors, c: columns of a prediction (targets or classes).
#pragma once

#include <cstdint>

#include "fastexplain/parallel.h"

namespace fastexplain {

enum class RowLoss { kSquared, kAbsolute };

struct Stack {
  const double* data = nullptr;  // (m, n, c)
  std::int64_t m = 0, n = 0, c = 0;
};

// y: (n, c); out: (m, n, c), loss of every row and target.
void row_losses(RowLoss loss, const double* y, const Stack& predictions, double* out, int n_threads,
                const InterruptCheck& check);

// codes: (n,) class of each row, in 0 .. c - 1; predictions: probabilities; out: (m, n), minus the logarithm of that of the
// row's class.
void log_losses(const std::int32_t* codes, const Stack& predictions, double* out, int n_threads, const InterruptCheck& check);

// out: (m, n) column of the largest entry, the first one among equals; predictions have a column.
void argmax(const Stack& predictions, std::int32_t* out, int n_threads, const InterruptCheck& check);

struct ConfusionTask {
  const std::int32_t* codes = nullptr;      // (n,): in 0 .. n_classes - 1
  const std::int32_t* predicted = nullptr;  // (m, n): in 0 .. n_classes - 1
  const double* weights = nullptr;          // (n,)
  std::int64_t m = 0, n = 0, n_classes = 0;
  double* out = nullptr;  // (m, n_classes, n_classes): weight of (true, predicted)
};

void confusion(const ConfusionTask& task, int n_threads, const InterruptCheck& check);

struct RankingTask {
  const std::uint8_t* positive = nullptr;  // (n,): 0 or 1
  const double* scores = nullptr;          // (m, n), no NaN
  const double* weights = nullptr;         // (n,)
  std::int64_t m = 0, n = 0;
  double* area = nullptr;        // (m,): under the ROC curve, ties counted half; nan where a class has no weight
  double* placements = nullptr;  // (m, n): weighted share of the other class that the row is on the right side of (DeLong 1988)
};

void roc_auc(const RankingTask& task, int n_threads, const InterruptCheck& check);

}  // namespace fastexplain
