#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <exception>
#include <iostream>

#include "fastexplain/isa.h"

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;  // ctest's SKIP_RETURN_CODE
  try {
    fastexplain::active_isa();
  } catch (const std::exception& error) {
    std::cout << error.what() << '\n';
    return kSkipped;
  }
  Catch::StringMaker<double>::precision = 17;  // differences are small
  return Catch::Session().run(argc, argv);
}
