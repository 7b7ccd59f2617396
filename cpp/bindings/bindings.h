// One function per bound topic; module.cpp calls them.
#pragma once

#include <pybind11/pybind11.h>

#include "fastexplain/parallel.h"

void bind_deep_lift(pybind11::module_& m);
void bind_interventional_shap(pybind11::module_& m);
void bind_kernel_shap(pybind11::module_& m);
void bind_metrics(pybind11::module_& m);
void bind_permutation(pybind11::module_& m);
void bind_product_game(pybind11::module_& m);
void bind_masked_predictions(pybind11::module_& m);
void bind_tree_shap(pybind11::module_& m);

// For parallel_for on a thread that has released the GIL: raises KeyboardInterrupt after Ctrl-C.
inline fastexplain::InterruptCheck python_interrupt_check() {
  return [] {
    pybind11::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
  };
}
