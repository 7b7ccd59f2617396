#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "fastexplain/isa.h"

namespace fastexplain {
namespace {

TEST_CASE("the instruction set named in FASTEXPLAIN_ISA is the one that runs") {
  const char* forced = std::getenv("FASTEXPLAIN_ISA");
  if (forced == nullptr || *forced == '\0')
    CHECK(active_isa() == available_isas().front());
  else
    CHECK(active_isa() == forced);
}

TEST_CASE("the baseline is always available, and last") { CHECK(available_isas().back() == "baseline"); }

TEST_CASE("no instruction set is listed twice") {
  auto names = available_isas();
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

}  // namespace
}  // namespace fastexplain
