// AVX2: 4 double lanes.
#include "product_kernels.h"

namespace fastexplain {
namespace avx2 {
namespace {

constexpr int kVectorBytes = 32;

#include "product_body.inc"

}  // namespace

extern const ProductKernels kProductKernels;
const ProductKernels kProductKernels = {"avx2", product, sine};

}  // namespace avx2
}  // namespace fastexplain
