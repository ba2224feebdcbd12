# Flags of the kernel targets: on their own files alone.
# -fno-exceptions: a noexcept function that calls anything else refers to the personality routine by a weak symbol.
# i8mm belongs to Armv8.6 and may come with any Armv8 from 8.2 on, as dotprod.
# -Wno-*uninitialized on AVX-512: g++ 12's intrinsics start from a variable set to itself (GCC bug 105593).
set(FACET_AVX2_FLAGS -mavx2 -mfma -mf16c -fno-exceptions)
set(FACET_AVX_VNNI_FLAGS ${FACET_AVX2_FLAGS} -mavxvnni)
set(FACET_AVX512_FLAGS ${FACET_AVX2_FLAGS} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
  -Wno-uninitialized -Wno-maybe-uninitialized)
set(FACET_NEON_DOT_FLAGS -march=armv8.2-a+dotprod -fno-exceptions)
set(FACET_NEON_I8MM_FLAGS -march=armv8.2-a+dotprod+i8mm -fno-exceptions)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(FACET_KERNELS_OF X86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  set(FACET_KERNELS_OF ARM)
endif()

# Instrumented in full, each takes minutes to compile; what fuzzing looks for in them shows in their results and to the address
# sanitizer.
if(FACET_FUZZ)
  set(FACET_KERNEL_FUZZ_FLAGS -O1 -fno-sanitize=fuzzer-no-link,undefined)
endif()

# facet_kernel_target(FILE FLAGS...): a source of facet_kernels that needs FLAGS.  In tests, an unoptimized object of it too,
# facet_kernels_unoptimized_<name>, for symbols_test.cc, which has its path as FACET_UNOPTIMIZED_<NAME>: what leaks is seen
# before inlining hides it.
function(facet_kernel_target FILE)
  set_source_files_properties(${FILE} PROPERTIES COMPILE_OPTIONS "${ARGN};${FACET_KERNEL_FUZZ_FLAGS}")
  target_sources(facet_kernels PRIVATE ${FILE})
  if(FACET_TESTS)
    get_filename_component(name ${FILE} NAME_WE)
    set(object facet_kernels_unoptimized_${name})
    add_library(${object} OBJECT EXCLUDE_FROM_ALL ${FILE})
    target_include_directories(${object} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
    target_compile_definitions(${object} PRIVATE FACET_HAVE_${FACET_KERNELS_OF})
    target_compile_options(${object} PRIVATE -O0 ${ARGN})
    string(TOUPPER ${name} upper)
    add_dependencies(kernels_fast_tests ${object})
    target_compile_definitions(kernels_fast_tests PRIVATE FACET_UNOPTIMIZED_${upper}="$<TARGET_OBJECTS:${object}>")
  endif()
endfunction()
