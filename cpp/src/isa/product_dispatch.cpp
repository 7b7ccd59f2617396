#include <cstring>

#include "kernels.h"
#include "product_kernels.h"

namespace fastexplain {

namespace baseline {
extern const ProductKernels kProductKernels;
}
namespace avx2 {
extern const ProductKernels kProductKernels;
}
namespace avx512 {
extern const ProductKernels kProductKernels;
}

namespace {

const ProductKernels& choose() {
  const char* name = active_kernels().name;
#if defined(FASTEXPLAIN_HAVE_AVX512)
  if (std::strcmp(name, avx512::kProductKernels.name) == 0) return avx512::kProductKernels;
#endif
#if defined(FASTEXPLAIN_HAVE_AVX2)
  if (std::strcmp(name, avx2::kProductKernels.name) == 0) return avx2::kProductKernels;
#endif
  static_cast<void>(name);
  return baseline::kProductKernels;
}

}  // namespace

const ProductKernels& active_product_kernels() {
  static const ProductKernels& table = choose();
  return table;
}

}  // namespace fastexplain
