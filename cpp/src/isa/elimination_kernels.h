// Elimination in symmetric matrices, compiled once per instruction set; see kernels.h for what such files may include.
#pragma once

#include <cstdint>

#include "octet.h"

namespace fastexplain {

// The upper triangle of a symmetric matrix, by rows of `stride` doubles: a multiple of kOctet, on a boundary of 64 bytes. What
// lies below the diagonal, or beyond column n, is scratch and must be finite.
struct EliminateTask {
  double* matrix;
  std::int64_t stride, n;
  std::int64_t n_pivots;
};

struct EliminationKernels {
  // The first n_pivots rows become those of the Cholesky factor U, U^T U = matrix; the rest, what elimination leaves of it.
  // False, and nothing useful, where a pivot is not positive.
  bool (*eliminate)(const EliminateTask&);
};

}  // namespace fastexplain
