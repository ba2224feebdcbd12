# Coverage-guided fuzzing: preset "fuzz", or -DFACET_FUZZ=ON with Clang. Targets and what they replay: fuzz/CMakeLists.txt.
option(FACET_FUZZ "Build the libFuzzer targets (needs Clang)" OFF)
if(FACET_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "facet: FACET_FUZZ needs Clang and its runtime: apt-get install clang-14 libclang-rt-14-dev, "
                        "then cmake --preset fuzz")
  endif()
  target_compile_options(facet_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
function(facet_fuzz_target NAME)
  add_executable(${NAME} ${ARGN})
  target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
endfunction()
