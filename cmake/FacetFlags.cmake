# Every compiler flag of the project lives in this folder.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
# Build type of the sanitizer presets: line tables are all that a report reads.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1")

add_library(facet_flags INTERFACE)
target_include_directories(facet_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
# Contraction off everywhere: a fused multiply-add in a quantizer moves codes. SIMD kernels ask for FMA by name.
# -Wno-restrict: g++ 12 warns falsely on "literal" + std::string (GCC bug 105651).
target_compile_options(facet_flags INTERFACE -Wall -Wextra -ffp-contract=off
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<BOOL:${FACET_WERROR}>:-Werror>)
if(FACET_SANITIZE)
  target_compile_options(facet_flags INTERFACE -fsanitize=${FACET_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(facet_flags INTERFACE -fsanitize=${FACET_SANITIZE})
endif()
