# What a cross build takes from this machine: sources, and libraries that are headers alone.  No OpenSSL, SentencePiece or
# libtorch, so it ends below the rooms that need them.

# Links to the libraries' own folders: /usr/include as a whole would bring this machine's C library with it.
set(headers ${PROJECT_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${headers})
foreach(library fmt nlohmann)
  if(NOT EXISTS /usr/include/${library})
    facet_missing(${library} "libfmt-dev nlohmann-json3-dev")
  endif()
  file(CREATE_LINK /usr/include/${library} ${headers}/${library} SYMBOLIC)
endforeach()
add_library(fmt::fmt INTERFACE IMPORTED)
target_include_directories(fmt::fmt INTERFACE ${headers})
target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
target_include_directories(nlohmann_json::nlohmann_json INTERFACE ${headers})

if(FACET_TESTS)
  # Debian's libgtest-dev brings the sources.
  if(NOT EXISTS /usr/src/googletest/CMakeLists.txt)
    facet_missing("GoogleTest's sources" libgtest-dev)
  endif()
  set(BUILD_GMOCK OFF)
  set(INSTALL_GTEST OFF)
  add_subdirectory(/usr/src/googletest ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL SYSTEM)
  include(GoogleTest)
endif()
