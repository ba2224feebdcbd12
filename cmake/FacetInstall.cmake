# What `cmake --install` leaves: the programs, libfacet with the headers of include/facet/ and a CMake package
# (find_package(facet), target facet::facet), and the built-in model.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# One library out of the engine's rooms, so that a user links nothing else.  Only include/facet/ is its interface.
add_library(facet_shared SHARED ${PROJECT_SOURCE_DIR}/src/engine/engine.cc)
target_link_libraries(facet_shared PRIVATE facet_engine)
target_compile_features(facet_shared PUBLIC cxx_std_20)
target_include_directories(facet_shared INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(facet_shared PROPERTIES OUTPUT_NAME facet EXPORT_NAME facet
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})

install(TARGETS facet facet-tokenizer RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(FACET_TRAIN)
  install(TARGETS facet-train RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS facet_shared EXPORT facet LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/facet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY models/builtin DESTINATION ${CMAKE_INSTALL_DATADIR}/facet)
install(FILES models/builtin-drafter.gguf DESTINATION ${CMAKE_INSTALL_DATADIR}/facet)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/facet)
install(EXPORT facet NAMESPACE facet:: FILE facet-config.cmake DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/facet-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/facet-config-version.cmake DESTINATION ${package})
