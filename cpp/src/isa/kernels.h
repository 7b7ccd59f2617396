// The seam between the drivers and the code that is compiled once per instruction set: plain structs and function pointers.
// Files compiled for an instruction set include no other header of the project and no standard container, so that the linker
// never picks an AVX copy of a shared inline function for everybody.
#pragma once

#include "background_kernels.h"
#include "dense_kernels.h"
#include "elimination_kernels.h"
#include "pair_kernels.h"
#include "pattern_kernels.h"
#include "product_kernels.h"
#include "random_kernels.h"
#include "replace_kernels.h"
#include "subset_kernels.h"
#include "tree_kernels.h"

namespace fastexplain {

// All kernels of one instruction set.
struct KernelTable {
  const char* name;
  TreeKernels tree;
  BackgroundKernels background;
  PatternKernels patterns;
  PairKernels pairs;
  ReplaceKernels replacement;
  ProductKernels products;
  SubsetKernels subsets;
  DenseKernels dense;
  EliminationKernels elimination;
  RandomKernels random;
};

// The table of the instruction set in use: the widest that the CPU has, or the one that FASTEXPLAIN_ISA names.
// Throws std::runtime_error if that name is unknown, or not available in this build or on this CPU.
const KernelTable& active_kernels();

}  // namespace fastexplain
