// AVX-512: 8 double lanes.
#include "product_kernels.h"

namespace fastexplain {
namespace avx512 {
namespace {

constexpr int kVectorBytes = 64;

#include "product_body.inc"

}  // namespace

extern const ProductKernels kProductKernels;
const ProductKernels kProductKernels = {"avx512", product, sine};

}  // namespace avx512
}  // namespace fastexplain
