// Steps of DeepLIFT over dense layers that are compiled once per instruction set; see kernels.h for what such files may
// include.
#pragma once

#include <cstdint>

namespace fastexplain {

// Columns of a packed panel of weights; every row of doubles here is padded to a multiple of it.
inline constexpr std::int64_t kPanel = 8;

// c = a @ b: a (n_rows, n_inner), c (n_rows, n_panels * kPanel), b packed as [panel][inner][kPanel].
struct MultiplyTask {
  const double* a;
  std::int64_t a_stride;
  std::int64_t n_rows, n_inner;
  const double* panels;
  std::int64_t n_panels;
  double* c;
  std::int64_t c_stride;
};

// Multipliers of one layer's units (change of the output over change of the input, or the slope where that is tiny) between a
// row and a block of background rows, into multipliers (n_background, width).
struct RescaleTask {
  const double *z, *value, *slope, *threshold;                       // the row's, (width)
  const double *background_z, *background_value, *background_slope;  // (n_background, background_stride)
  std::int64_t background_stride;
  std::int64_t n_background, width;  // width: a multiple of kPanel
  bool kink_at_zero;
  double* multipliers;
};

// rows[(b, k), :] *= multipliers[b, :] for n_outputs rows k of each b.
struct ScaleTask {
  double* rows;
  std::int64_t stride;
  std::int64_t n_background, n_outputs, width;
  const double* multipliers;
};

// What the background rows b leave in the values phi of the explained row x: phi[k, :] += weights[b] * (x - background[b]) *
// rows[(b, k), :]
struct DepositTask {
  const double* rows;
  std::int64_t stride;
  std::int64_t n_background, n_outputs, width;
  const double* x;
  const double* background;  // (n_background, width)
  const double* weights;
  double* phi;  // (n_outputs, width)
};

struct DenseKernels {
  void (*multiply)(const MultiplyTask&);
  void (*rescale)(const RescaleTask&);
  void (*scale)(const ScaleTask&);
  void (*deposit)(const DepositTask&);
};

}  // namespace fastexplain
