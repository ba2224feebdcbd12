# facet_torch: libtorch as our targets use it.
# * Its headers come in as SYSTEM (imported targets do that), so that -Werror is about our code.
# * -fopenmp is not a wish but a must: at::parallel_for is a header template that runs serially, without a word, in a
#   translation unit compiled without it.
# * Torch's package may add to CMAKE_CXX_FLAGS; what it needs travels with its targets, so we keep ours.
set(facet_cxx_flags_before_torch "${CMAKE_CXX_FLAGS}")
# Debian's libtorch-dev installs its CMake package under /usr/lib/<triple>/cmake/Torch. A newer libtorch, CUDA included,
# from a Python installation: -DCMAKE_PREFIX_PATH=$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')
find_package(Torch QUIET)
if(NOT Torch_FOUND)
  facet_missing("libtorch (or configure with -DFACET_TRAIN=OFF for the engine alone)" libtorch-dev)
endif()
set(CMAKE_CXX_FLAGS "${facet_cxx_flags_before_torch}")
find_package(OpenMP QUIET COMPONENTS CXX)
if(NOT OpenMP_CXX_FOUND)
  facet_missing("OpenMP support of the compiler" libgomp1)
endif()
add_library(facet_torch INTERFACE)
target_link_libraries(facet_torch INTERFACE ${TORCH_LIBRARIES} OpenMP::OpenMP_CXX)

# facet_train_simd(FILES...): sources of the trainer's CPU kernels, named kernels_<target>.cc. Contraction is on for these
# files alone: they hold no quantizer, and their vectors are written as a * b + c.
# -Wno-psabi: functions that take or return vectors are all inlined, so no call has a changed ABI.
function(facet_train_simd)
  foreach(file ${ARGN})
    set(options -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-psabi)
    if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
      # the file is empty there
    elseif(file MATCHES "avx2")
      list(APPEND options -mavx2 -mfma)
    elseif(file MATCHES "avx512")
      list(APPEND options -mavx512f -mavx512dq -mfma -mprefer-vector-width=512)
      if(file MATCHES "bf16")
        list(APPEND options -mavx512bw -mavx512bf16 -Wno-uninitialized -Wno-maybe-uninitialized)  # GCC bug 105593
      endif()
    endif()
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${options}")
  endforeach()
endfunction()
