// What every CPU of the architecture has.
#include "product_kernels.h"

namespace fastexplain {
namespace baseline {
namespace {

constexpr int kVectorBytes = 16;

#include "product_body.inc"

}  // namespace

extern const ProductKernels kProductKernels;
const ProductKernels kProductKernels = {"baseline", product, sine};

}  // namespace baseline
}  // namespace fastexplain
