#include <cstdlib>
#include <stdexcept>
#include <string>

#include "fastexplain/isa.h"
#include "kernels.h"

namespace fastexplain {

namespace baseline {
extern const KernelTable kKernels;
}
namespace avx2 {
extern const KernelTable kKernels;
}
namespace avx512 {
extern const KernelTable kKernels;
}

namespace {

struct Candidate {
  const KernelTable* table;
  bool (*on_this_cpu)();
};

// Widest first. One row per instruction set; the file of the same name holds its kernels.
const Candidate kCandidates[] = {
#if defined(FASTEXPLAIN_HAVE_AVX512)
    {&avx512::kKernels,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl");
     }},
#endif
#if defined(FASTEXPLAIN_HAVE_AVX2)
    {&avx2::kKernels, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
    {&baseline::kKernels, [] { return true; }},
};

const KernelTable& choose() {
  const char* forced = std::getenv("FASTEXPLAIN_ISA");
  if (forced != nullptr && *forced != '\0') {
    std::string built;
    for (const auto& candidate : kCandidates) {
      built += std::string(built.empty() ? "" : ", ") + candidate.table->name;
      if (std::string(forced) != candidate.table->name) continue;
      if (!candidate.on_this_cpu())
        throw std::runtime_error("FASTEXPLAIN_ISA=" + std::string(forced) + ": this CPU does not have it");
      return *candidate.table;
    }
    throw std::runtime_error("FASTEXPLAIN_ISA=" + std::string(forced) + " is unknown to this build; it has: " + built);
  }
  for (const auto& candidate : kCandidates)
    if (candidate.on_this_cpu()) return *candidate.table;
  return baseline::kKernels;
}

}  // namespace

const KernelTable& active_kernels() {
  static const KernelTable& table = choose();
  return table;
}

std::string active_isa() { return active_kernels().name; }

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const auto& candidate : kCandidates)
    if (candidate.on_this_cpu()) names.emplace_back(candidate.table->name);
  return names;
}

}  // namespace fastexplain
