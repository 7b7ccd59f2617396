// Which instruction set's kernels run.
#pragma once

#include <string>
#include <vector>

namespace fastexplain {

// Name of the set in use: "avx512", "avx2" or "baseline"; chosen once, on first use, from the CPU or from FASTEXPLAIN_ISA.
// Throws std::runtime_error if FASTEXPLAIN_ISA names a set that this build or CPU lacks.
std::string active_isa();

// Names of the sets that this build has and this CPU supports, widest first.
std::vector<std::string> available_isas();

}  // namespace fastexplain
