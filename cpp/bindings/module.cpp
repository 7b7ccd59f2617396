#include <pybind11/stl.h>

#include "bindings.h"
#include "fastexplain/isa.h"

namespace py = pybind11;

PYBIND11_MODULE(_core, m) {
  m.doc() = "C++ kernels of fastexplain.";
  m.def("active_isa", &fastexplain::active_isa, "Instruction set of the kernels in use.");
  m.def("available_isas", &fastexplain::available_isas, "Instruction sets that this build and this CPU have, widest first.");
  bind_deep_lift(m);
  bind_interventional_shap(m);
  bind_kernel_shap(m);
  bind_metrics(m);
  bind_permutation(m);
  bind_product_game(m);
  bind_masked_predictions(m);
  bind_tree_shap(m);
}
